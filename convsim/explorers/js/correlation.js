/** Where each mode's output begins in the full one, and how long it is.
 * @param {States["correlation"]} s
 * @returns {[number, number]} */
function extent({ mode, signal, kernel }) {
  const M = signal.length, N = kernel.length;
  if (mode === "full") return [0, M + N - 1];
  return mode === "same" ? [(N - 1) >> 1, M] : [N - 1, M - N + 1];
}

/** @param {States["correlation"]} s */
const lastPosition = (s) => Math.min(s.position, extent(s)[1] - 1);

/** @param {States["correlation"]} s */
function correlation(s) {
  const [start, length] = extent(s);
  const full = correlate(row(s.signal), row(s.kernel)).v;
  const output = Array.from(full.subarray(start, start + length));
  return { output, output_length: length, value: output[lastPosition(s)] };
}

/** The radio buttons of the three modes.
 * @param {View<"correlation">} view */
function modeControl(view) {
  const node = h("span", { class: "convsim-pair" });
  const group = `convsim-mode-${Math.random()}`; // two explorers must not share one group
  const radios = view.traits.mode.choices.map((mode) => {
    const input = h("input", { type: "radio", name: group, value: mode,
      onchange: () => view.set({ mode, position: lastPosition({ ...view.state(), mode }) }) });
    node.append(h("label", { class: "convsim-choice" }, input, mode));
    return input;
  });
  /** @param {string} mode */
  const draw = (mode) => radios.forEach((radio) => { radio.checked = radio.value === mode; });
  return { node, draw };
}

/** @typedef {{ n: number, tap: number, x: number }} Touched a tap, and the value of X under it */

/** The signal, the kernel over it, and the zeros that it needs.
 * @param {Chart} over @param {States["correlation"]} s @param {number} left @param {Touched[]} touched */
function drawOver(over, s, left, touched) {
  const M = s.signal.length, N = s.kernel.length, first = 1 - N, last = M + N - 2;
  over.axes(first, last, ...roundRange(s.signal, s.kernel));
  const roomy = (N - 1) * over.step > 26; // else the numbers at both ends of the padding collide
  /** @type {Point[]} */
  const padding = [];
  for (let n = first; n <= last; n++) if (n < 0 || n >= M) padding.push([n, 0]);
  over.put("window", "rect", { class: "convsim-window", x: f(over.x(left) - over.step / 2),
    y: over.top - 4, width: f(N * over.step), height: over.height - over.top - over.bottom + 8, rx: 4 });
  over.bars("kernel", "convsim-fill-one", touched.map(({ n, tap }) => [n, tap]), 0.8);
  over.bars("stems", "convsim-fill-text", indexed(s.signal), 0.06);
  over.dots("signal", "convsim-fill-text", indexed(s.signal), Math.min(4, over.step * 0.4));
  over.dots("padding", "convsim-hollow", padding, Math.min(3, over.step * 0.3));
  over.ticks([...new Set(roomy ? [first, 0, M - 1, last] : [0, M - 1])]);
  over.end(`Signal of ${M} values with the kernel of ${N} taps over samples ${left} to ${left + N - 1}`);
}

/** @param {Chart} output @param {States["correlation"]} s @param {number} at @param {number[]} values */
function drawOutput(output, s, at, values) {
  const M = s.signal.length, N = s.kernel.length, length = values.length;
  output.axes(1 - N, M + N - 2, ...roundRange(values));
  output.bars("stems", "convsim-fill-two", indexed(values), 0.06);
  output.dots("values", "convsim-fill-two", indexed(values), Math.min(4, output.step * 0.4));
  output.dots("ring", "convsim-ring", [[at, values[at]]], 7);
  output.ticks([0, length - 1].slice(0, length));
  output.end(`Output of ${length} values; at n = ${at} it is ${show(values[at])}`);
}

/** What the mode keeps, and how many values that makes.
 * @param {States["correlation"]} s */
function whyThatLong(s) {
  const M = s.signal.length, N = s.kernel.length, length = extent(s)[1];
  return {
    full: "Full: every place where the kernel touches the signal, with zeros beyond its ends. " +
      `M + N − 1 = ${M} + ${N} − 1 = ${length} values.`,
    same: `Same: the middle of the full output, as long as the signal. M = ${length} values.`,
    valid: "Valid: only the places where the kernel lies wholly on the signal, no zeros needed. " +
      `M − N + 1 = ${M} − ${N} + 1 = ${length} values.`,
  }[s.mode].replace(/ ([+−=]) /g, "\u00a0$1\u00a0"); // a sum stays on one line
}

/** The kernel's own controls: how many taps, their values, and where it lies.
 * @param {View<"correlation">} view */
function kernelControls(view) {
  const trait = view.traits.kernel, where = inline(), count = inline();
  const position = slider({ min: view.traits.position.low }, (value) => view.set({ position: value }));
  const taps = tapsSlider(trait, (N) => {
    const s = view.state(), kernel = resized(s.kernel, N);
    view.set({ kernel, position: lastPosition({ ...s, kernel }) });
  });
  const kernel = equaliser("K", "Kernel K", "convsim-one", (n, value) => {
    const taps = view.state().kernel.slice();
    taps[n] = value;
    view.set({ kernel: taps });
  });

  /** @param {States["correlation"]} s */
  function draw(s) {
    const N = s.kernel.length, length = extent(s)[1], at = lastPosition(s);
    position.max = String(length - 1);
    follow(position, at);
    where.textContent = `n = ${at} of 0 … ${length - 1}`;
    taps.max = String(Math.min(trait.length[1], s.signal.length));
    follow(taps, N);
    count.textContent = `N = ${N}`;
    kernel.draw(s.kernel);
  }
  return { taps: field("Taps", taps, count), kernel: kernel.node, position: field("Position", position, where), draw };
}

/** The kernel's window follows the pointer that grabbed it.
 * @param {Chart} over @param {View<"correlation">} view @param {() => void} grabbed */
function draggableWindow(over, view, grabbed) {
  /** @type {{ pointer: number, x: number, position: number } | null} */
  let held = null;
  over.svg.style.touchAction = "pan-y"; // sideways the window, up and down the page
  over.svg.addEventListener("pointerdown", (event) => {
    const s = view.state(), at = lastPosition(s), [x] = over.pixel(event), last = over.x(extent(s)[0] + at);
    if (x > last + over.step / 2 || x < last - (s.kernel.length - 0.5) * over.step) return; // beside the window
    grabbed();
    held = { pointer: event.pointerId, x, position: at };
    over.svg.setPointerCapture(event.pointerId);
    event.preventDefault(); // no text is selected
  });
  over.svg.addEventListener("pointermove", (event) => {
    if (held?.pointer !== event.pointerId) return;
    const s = view.state(), to = held.position + Math.round((over.pixel(event)[0] - held.x) / over.step);
    const position = Math.min(extent(s)[1] - 1, Math.max(0, to));
    if (position !== lastPosition(s)) view.set({ position });
  });
  over.svg.addEventListener("lostpointercapture", () => { held = null; });
}

/** A button that moves the kernel along the signal, from its place or, at the end, from the start.
 * @param {View<"correlation">} view */
function playButton(view) {
  let timer = 0;
  function stop() {
    clearInterval(timer);
    timer = 0;
    node.textContent = "Play";
  }
  const node = button("Play", () => {
    if (timer) return stop();
    const step = () => {
      const s = view.state(), end = extent(s)[1] - 1, at = lastPosition(s);
      view.set({ position: at === end && !timer ? 0 : Math.min(end, at + 1) });
      if (lastPosition(view.state()) === end) stop();
    };
    step();
    timer = setInterval(step, 250);
    node.textContent = "Stop";
  });
  return { node, stop };
}

/** @param {View<"correlation">} view */
function correlationView(view) {
  const modes = modeControl(view), controls = kernelControls(view);
  const why = h("p", { class: "convsim-note" }), formula = h("p", { class: "convsim-sum" });
  const value = h("span", { class: "convsim-value", "data-readout": "value" });
  const over = new Chart(150, view.draw), products = new Chart(84, view.draw, 8), output = new Chart(140, view.draw);
  const play = playButton(view);
  draggableWindow(over, view, play.stop);

  /** @param {States["correlation"]} s */
  function draw(s) {
    const M = s.signal.length, N = s.kernel.length, result = correlation(s), at = lastPosition(s);
    const left = extent(s)[0] + at - (N - 1);
    const touched = s.kernel.map((tap, j) => {
      const inside = left + j >= 0 && left + j < M;
      return { n: left + j, tap, x: inside ? s.signal[left + j] : 0 };
    });
    modes.draw(s.mode);
    controls.draw(s);
    drawOver(over, s, left, touched);

    /** @type {Point[]} */
    const parts = touched.map(({ n, tap, x }) => [n, tap * x]);
    products.axes(1 - N, M + N - 2, ...roundRange(parts.map(([, v]) => v)));
    products.bars("products", "convsim-fill-lag0", parts, 0.8);
    const size = parts.reduce((sum, [, v]) => sum + Math.abs(v), 0), told = show(result.value, undefined, size);
    products.end(`Products under the kernel, with sum ${told}`);
    drawOutput(output, s, at, result.output);

    value.textContent = told;
    value.dataset.value = String(result.value);
    /** @param {Touched} under */
    const product = ({ tap, x }) => `(${short(x)})(${short(tap)})`;
    const sum = N <= 6 ? touched.map(product).join(" + ") : "sum of the products";
    formula.replaceChildren(`(X ⋆ K)[${at}] = ${sum} =`, value);
    why.textContent = whyThatLong(s);
    return `Output ${at} of ${result.output_length}: ${told}`;
  }
  const nodes = [
    h("div", { class: "convsim-row" },
      h("div", { class: "convsim-field", role: "radiogroup", "aria-label": "Mode" }, h("span", {}, "Mode"), modes.node),
      controls.taps),
    controls.kernel,
    h("div", { class: "convsim-row convsim-move" }, controls.position, play.node),
    effect(figure(over.svg, key("convsim-dot-text", "signal X"), key("convsim-hollow-swatch", "zero padding"),
      key("convsim-bg-one", "kernel K, over it: drag it")), formula),
    figure(products.svg, key("convsim-bg-lag0", "products X · K"), "their sum is the output"),
    figure(output.svg, key("convsim-dot-two", "output X ⋆ K"), "value n stands under sample n"),
    why,
  ];
  return { nodes, draw, stop: () => [play, over, products, output].forEach((c) => c.stop()), reset: play.stop };
}

DRAWINGS.correlation = {
  title: "Correlation explorer",
  about: "A kernel slides along a signal. At each stop the values under it are multiplied by its taps and summed: one value of the result. Drag the window along the signal, or play it.",
  compute: correlation,
  build: correlationView,
  consistent: ({ kernel, signal }) => kernel.length <= signal.length,
};
