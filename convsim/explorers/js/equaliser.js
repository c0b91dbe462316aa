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
  const columns = [];
  let limit = 1.5;

  /** @param {number[]} kernel */
  function draw(kernel) {
    const largest = Math.max(...kernel.map(Math.abs));
    const wanted = largest <= 1.5 ? 1.5 : roundRange([largest])[1];
    while (columns.length < kernel.length) {
      columns.push(tapColumn(name, columns.length, limit, oninput));
      taps.append(columns[columns.length - 1].node);
    }
    while (columns.length > kernel.length) columns.pop()?.node.remove();
    if (wanted !== limit || limits[0].textContent === "") {
      limit = wanted;
      [limit, 0, -limit].forEach((v, i) => (limits[i].textContent = short(v)));
      for (const { input } of columns) [input.min, input.max] = [String(-limit), String(limit)];
    }
    const few = kernel.length <= 8 ? kernel.length : Math.ceil(kernel.length / 2);
    taps.style.setProperty("--convsim-columns", String(kernel.length));
    taps.style.setProperty("--convsim-columns-narrow", String(few));
    kernel.forEach((tap, n) => columns[n].draw(tap, limit));
  }
  return { node, draw };
}

/** @typedef {ReturnType<typeof tapColumn>} TapColumn */

/** One tap's slider and its value.
 * @param {string} name @param {number} n @param {number} limit
 * @param {(n: number, value: number) => void} oninput */
function tapColumn(name, n, limit, oninput) {
  const input = h("input", {
    type: "range", class: "convsim-slider", min: -limit, max: limit, step: 0.01,
    "aria-label": `${name} tap ${n}`, "aria-orientation": "vertical",
    oninput: () => oninput(n, Number(input.value)),
  });
  const value = h("span", { class: "convsim-tap-value", "aria-hidden": "true" });
  /** @type {[number?, number?]} */
  let shown = [];

  /** @param {number} tap @param {number} limit */
  function draw(tap, limit) {
    if (shown[0] === tap && shown[1] === limit) return; // a drag moves one of 32
    shown = [tap, limit];
    if (Number(input.value) !== tap) input.value = String(tap);
    const at = (tap + limit) / (2 * limit);
    input.style.setProperty("--convsim-from", String(Math.min(at, 0.5)));
    input.style.setProperty("--convsim-to", String(Math.max(at, 0.5)));
    value.textContent = show(tap, 2);
  }
  return { node: h("label", { class: "convsim-tap" }, input, value), input, draw };
}
