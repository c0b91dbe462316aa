/** @typedef {Record<string, any>} Readouts with the keys of Python's readouts() */

/** Tiles under their labels, those of the names that lead in a panel of their own. The size of the
 * numbers behind a readout tells zero from rounding.
 * @param {Record<string, string>} labels @param {string[]} [leading] */
function readoutPanel(labels, leading = []) {
  /** @type {Record<string, HTMLElement>} */
  const cells = {};
  /** @param {string} name @param {"span" | "strong"} tag @param {string} className */
  const cell = (name, tag = "span", className = "convsim-value") =>
    (cells[name] = h(tag, { class: className, "data-readout": name }));
  /** @param {string} title @param {(name: string) => boolean} among */
  const tiles = (title, among) => h("div", { class: "convsim-readouts", role: "group", "aria-label": title },
    ...Object.entries(labels).filter(([name]) => among(name)).map(([name, label]) =>
      h("div", { class: "convsim-tile" }, h("span", { class: "convsim-label" }, ...subscripted(label)), cell(name))));
  const lead = tiles("Main readouts", (name) => leading.includes(name));
  const node = tiles("Readouts", (name) => !leading.includes(name));
  /** Show the numbers, and return the sentence to announce.
   * @param {Readouts} readouts @param {(name: string) => number} unitOf */
  function draw(readouts, unitOf) {
    for (const [name, cell] of Object.entries(cells)) {
      const text = show(readouts[name], undefined, unitOf(name));
      cell.textContent = text;
      cell.classList.toggle("convsim-long", text.length > 9);
      cell.dataset.value = readouts[name];
    }
    return Object.entries(labels).map(([name, label]) =>
      `${label.replace("_", " ")}: ${cells[name].textContent}`).join("; ");
  }
  return { node, lead, cell, draw };
}
