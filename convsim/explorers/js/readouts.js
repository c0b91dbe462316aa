/** @typedef {Record<string, any>} Readouts with the keys of Python's readouts() */

/** Tiles under their labels. The size of the numbers behind a readout tells zero from rounding.
 * @param {Record<string, string>} labels */
function readoutPanel(labels) {
  /** @type {Record<string, HTMLElement>} */
  const cells = {};
  /** @param {string} name @param {"span" | "strong"} tag @param {string} className */
  const cell = (name, tag = "span", className = "convsim-value") =>
    (cells[name] = h(tag, { class: className, "data-readout": name }));
  const tiles = Object.entries(labels).map(([name, label]) =>
    h("div", { class: "convsim-tile" }, h("span", { class: "convsim-label" }, ...subscripted(label)), cell(name)));
  const node = h("div", { class: "convsim-readouts", role: "group", "aria-label": "Readouts" }, ...tiles);
  /** Show the numbers, and return the sentence to announce.
   * @param {Readouts} readouts @param {(name: string) => number} unitOf */
  function draw(readouts, unitOf) {
    for (const [name, cell] of Object.entries(cells)) {
      cell.textContent = show(readouts[name], undefined, unitOf(name));
      cell.dataset.value = readouts[name];
    }
    return Object.entries(labels).map(([name, label]) =>
      `${label.replace("_", " ")}: ${cells[name].textContent}`).join("; ");
  }
  return { node, cell, draw };
}
