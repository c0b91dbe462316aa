/** @typedef {States["prediction"]} PredictionState */

/** @param {PredictionState} s */
const placeOfRight = (s) => s.answers.findIndex(([answer]) => answer === s.right) + 1;
/** @type {(s: PredictionState) => Readouts} */
const judged = (s) => (s.answers.length
  ? { right: s.answer === null ? null : s.answer === placeOfRight(s) }
  : { off: s.answer === null ? null : s.answer - s.value });

/** A text with code between backticks.
 * @param {string} text */
const markedUp = (text) =>
  text.split("`").flatMap((part, i) => (i % 2 ? [h("code", {}, part)] : subscripted(part)));

/** Arrow keys only move among the answers: a reader sees all before one is given, by the space bar.
 * @param {KeyboardEvent} event @param {HTMLInputElement[]} radios */
function walk(event, radios) {
  const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  const at = radios.indexOf(/** @type {HTMLInputElement} */ (event.target));
  radios[(at + step + radios.length) % radios.length].focus();
}

/** Answers as radio buttons; each says what is right or wrong about it once it is given.
 * @param {View<"prediction">} view @param {PredictionState} s */
function choice(view, { answers, question }) {
  const group = `convsim-answer-${Math.random()}`; // two questions must not share one group
  const radios = answers.map((_, i) => h("input", { type: "radio", name: group, onchange: () => {
    view.set({ answer: i + 1 });
    view.keep();
  }, onkeydown: (/** @type {KeyboardEvent} */ event) => walk(event, radios) }));
  const marks = answers.map(() => h("span", { class: "convsim-mark" }));
  const labels = answers.map(([answer], i) =>
    h("label", { class: "convsim-answer" }, radios[i], h("span", {}, ...markedUp(answer)), marks[i]));
  const said = h("div", { class: "convsim-feedback", role: "status", "data-readout": "right" });

  /** @param {PredictionState} s */
  function draw(s) {
    const right = placeOfRight(s), given = s.answer;
    said.dataset.value = JSON.stringify(judged(s).right);
    labels.forEach((label, i) => {
      const place = i + 1, shown = given !== null && (place === given || place === right);
      radios[i].checked = place === given;
      marks[i].textContent = shown ? (place === right ? "✓ right" : "✗ not so") : "";
      label.classList.toggle("convsim-right", shown && place === right);
      label.classList.toggle("convsim-wrong", shown && place !== right);
    });
    said.replaceChildren(...(given === null ? [] : given === right ? [answered("Right.", right)]
      : [answered("Not so.", given), answered(`The right answer: ${answers[right - 1][0]}.`, right)]));
  }
  /** @param {string} verdict @param {number} place */
  const answered = (verdict, place) =>
    h("p", {}, h("strong", {}, ...markedUp(verdict)), " ", ...markedUp(answers[place - 1][1]));
  const node = h("fieldset", { class: "convsim-question" }, h("legend", {}, ...markedUp(question)), ...labels);
  return { nodes: [node, said], draw };
}

/** A bar to drag to where one thinks the number is; then the true one beside it.
 * @param {View<"prediction">} view @param {PredictionState} s */
function guess(view, { question, low, high, value, unit, explain }) {
  const step = (high - low) / 100, digits = Math.max(0, Math.ceil(-Math.log10(step) - 1e-9));
  const write = (/** @type {number} */ v) => show(v, digits) + unit;
  const where = (/** @type {number} */ v) => `--convsim-to: ${(v - low) / (high - low)}`;
  let held = low; // until it is the answer
  const bar = slider({ min: 0, max: 100, class: "convsim-range convsim-guess", "aria-label": "Your guess" }, (share) => {
    held = low + share * step;
    if (view.state().answer === null) view.draw();
    else view.set({ answer: held });
  });
  const reveal = button("Reveal", () => {
    view.set({ answer: held });
    view.keep();
    bar.focus();
  });
  const mine = inline(), off = h("span", { class: "convsim-note", "data-readout": "off" });
  const said = h("div", { class: "convsim-feedback", role: "status" }), exact = minus(Number(value.toPrecision(6))) + unit;
  const truth = [h("p", {}, h("strong", {}, `It is ${exact}.`)), h("div", { class: "convsim-truth", style: where(value) }),
    h("p", {}, ...markedUp(explain))];
  /** @param {PredictionState} s */
  function draw(s) {
    held = s.answer ?? held;
    follow(bar, (held - low) / step);
    bar.style.cssText = where(held);
    mine.textContent = write(held);
    const away = s.answer === null ? 0 : s.answer - value;
    off.textContent = s.answer === null ? "" : Math.abs(away) < step / 2 ? "just right"
      : `${write(Math.abs(away))} too ${away > 0 ? "high" : "low"}`;
    off.dataset.value = String(judged(s).off);
    bar.setAttribute("aria-valuetext", [write(held), off.textContent].filter(Boolean).join(", "));
    reveal.hidden = s.answer !== null;
    if (s.answer === null) said.replaceChildren();
    else if (!said.firstChild) said.append(...truth); // and later moves are not announced
  }
  const ends = h("div", { class: "convsim-ends" }, h("span", {}, write(low)), h("span", {}, write(high)));
  const node = h("fieldset", { class: "convsim-question" }, h("legend", {}, ...markedUp(question)),
    h("div", { class: "convsim-caption" }, h("span", {}, "Your guess: ", mine), off), bar, ends,
    h("div", { class: "convsim-row" }, reveal));
  return { nodes: [node, said], draw };
}

/** @param {View<"prediction">} view */
function predictionView(view) {
  const s = view.state(), { nodes, draw } = s.answers.length ? choice(view, s) : guess(view, s);
  return { nodes: [h("p", { class: "convsim-note" }, "Predict, then look"), ...nodes], draw: (/** @type {PredictionState} */ now) => {
    draw(now);
    return ""; // it says itself what is to be announced
  } };
}

DRAWINGS.prediction = {
  title: "Prediction",
  light: true,
  compute: judged,
  consistent: (s) => s.answer === null || (s.answers.length
    ? s.answers[s.answer - 1] !== undefined : s.answer >= s.low && s.answer <= s.high),
  build: predictionView,
};
