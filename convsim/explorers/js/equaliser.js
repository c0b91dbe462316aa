/** A kernel as a row of vertical sliders, like a graphic equaliser.
 * @param {string} name @param {string} pretty @param {string} className
 * @param {(n: number, value: number) => void} oninput */
function equaliser(name, pretty, className, oninput) {
  const taps = h("div", { class: "convsim-taps" });
  const limits = ["high", "zero", "low"].map((c) => h("span", { class: `convsim-limit-${c}` }));
  const node = h("div", { class: `convsim-equaliser ${className}`, role: "group", "aria-label": name },
    h("div", { class: "convsim-caption" }, h("strong", {}, pretty)),
    h("div", { class: "convsim-limits", "aria-hidden": "true" }, ...limits), taps);
  /** @type {TapColumn[]} */
  const columns = [], axis = tapAxis(node, limits, () => draw(now));
  /** @type {number[]} */
  let now = [];

  /** @param {number[]} kernel @param {boolean} [stepping] not by the reader's hand */
  function draw(kernel, stepping = false) {
    now = kernel;
    const limit = axis.follow(kernel, stepping);
    while (columns.length < kernel.length) {
      columns.push(tapColumn(name, columns.length, oninput));
      taps.append(columns[columns.length - 1].node);
    }
    while (columns.length > kernel.length) columns.pop()?.node.remove();
    const few = kernel.length <= 8 ? kernel.length : Math.ceil(kernel.length / 2);
    taps.style.setProperty("--convsim-columns", String(kernel.length));
    taps.style.setProperty("--convsim-columns-narrow", String(few));
    kernel.forEach((tap, n) => columns[n].draw(tap, limit));
  }
  return { node, draw };
}

const USUAL_LIMIT = 1.5;

/** The axis that some sliders share, from −limit to limit. It grows with their values at once, and
 * follows them down when others than the reader's hand made them small, and have come to rest.
 * @param {HTMLElement} node around the sliders @param {HTMLElement[]} marks its numbers, from above
 * @param {() => void} rested */
function tapAxis(node, marks, rested) {
  let limit = USUAL_LIMIT, held = false, hand = false, byHand = false, last = "";
  node.addEventListener("input", () => { hand = true; }, { capture: true });
  whileHeld(node, (by) => {
    held = by;
    if (!held) rested();
  });
  /** @param {number[]} kernel @param {boolean} stepping */
  function follow(kernel, stepping) {
    const largest = Math.max(...kernel.map(Math.abs)), now = String(kernel);
    if (now !== last) [byHand, last] = [hand, now];
    hand = false;
    if (largest > limit) limit = roundRange([USUAL_LIMIT, largest])[1];
    else if (byHand && !held && largest > 0.98 * limit) limit = Math.max(limit, USUAL_LIMIT); // a tap at its end wants more
    else if (!byHand && !stepping && largest < limit / 5) limit = largest > 0 ? roundRange([Math.max(2 * largest, 1e-9)])[1] : USUAL_LIMIT;
    if (marks[0].textContent !== short(limit)) [limit, 0, -limit].forEach((v, i) => { marks[i].textContent = short(v); });
    return limit;
  }
  return { follow };
}

/** @typedef {ReturnType<typeof tapColumn>} TapColumn */

/** One tap's slider and its value.
 * @param {string} name @param {number} n @param {(n: number, value: number) => void} oninput */
function tapColumn(name, n, oninput) {
  const input = h("input", {
    type: "range", class: "convsim-slider",
    "aria-label": `${name} tap ${n}`, "aria-orientation": "vertical",
    oninput: () => oninput(n, Number(input.value)),
  });
  const value = h("span", { class: "convsim-tap-value", "aria-hidden": "true" });
  /** @type {[number?, number?]} */
  let shown = [];

  /** @param {number} tap @param {number} limit */
  function draw(tap, limit) {
    if (shown[0] === tap && shown[1] === limit) return; // a drag moves one of 32
    const digits = Math.max(2, 2 - Math.floor(Math.log10(limit)));
    if (shown[1] !== limit) {
      [input.min, input.max] = [String(-limit), String(limit)];
      input.step = String(10 ** -digits);
    }
    shown = [tap, limit];
    if (Number(input.value) !== tap) input.value = String(tap);
    const at = (tap + limit) / (2 * limit);
    input.style.setProperty("--convsim-from", String(Math.min(at, 0.5)));
    input.style.setProperty("--convsim-to", String(Math.max(at, 0.5)));
    value.textContent = show(tap, digits);
  }
  return { node: h("label", { class: "convsim-tap" }, input, value), draw };
}
