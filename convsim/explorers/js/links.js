// Links that hold a state, and constructor calls that do.

/** What Python declares of a trait: see traits.py.
 * @typedef {object} Trait
 * @property {boolean} [fixed] only Python sets it
 * @property {string[]} [choices]
 * @property {number} [low]
 * @property {number} [high]
 * @property {boolean} [whole]
 * @property {[number, number]} [length] of a list
 * @property {number[]} [sizes] of a square
 * @property {[number, number]} [rows] of a list of points
 */

/** @typedef {number | string | number[] | number[][]} Value */

/** The names of the traits that a reader can set.
 * @param {Record<string, Trait>} traits */
const settable = (traits) => Object.keys(traits).filter((name) => !traits[name].fixed);

/** Rows are parted by semicolons, numbers by commas; String(number) is exact.
 * @param {any} value
 * @returns {string} */
const write = (value) => (Array.isArray(value?.[0]) ? value.map(write).join(";") : String(value));
/** The explorers of a page by their index: their part of a link ("" from one that is as it was
 * made, unless it is wanted always), their link to be written anew, and a way to fill the window.
 * @type {Map<string, { part: (always: boolean) => string, renew: () => void, present: () => void }>} */
const ON_PAGE = new Map();

/** One explorer's part of a link.
 * @param {string} index @param {string[]} names @param {Record<string, Value>} s @param {boolean} presented */
const section = (index, names, s, presented) =>
  `convsim=${index}&${names.map((k) => `${k}=${write(s[k])}`).join("&")}${presented ? "&present=1" : ""}`;

/** A link to an explorer, with the others that the reader has changed.
 * @param {string} index */
function address(index) {
  const parts = [...ON_PAGE].sort(([a], [b]) => Number(b === index) - Number(a === index))
    .map(([i, { part }]) => part(i === index));
  return `${location.href.split("#")[0]}#${parts.filter(Boolean).join("&")}`;
}

/** The parts of the page's own address by the explorers that they are meant for, in their order.
 * @returns {Map<string | null, URLSearchParams>} */
const addressed = () => new Map(location.hash.slice(1).replaceAll("+", "%2B").split(/&(?=convsim=)/)
  .map((text) => new URLSearchParams(text)).map((parts) => [parts.get("convsim"), parts]));
/** @param {string} name @param {string[]} names @param {Record<string, Value>} s */
const python = (name, names, s) => `${name}(${names.map((k) => `${k}=${JSON.stringify(s[k])}`).join(", ")})`;

/** The value that a link gives, if Python would take it too; throws otherwise.
 * @param {string} text @param {Trait} trait
 * @returns {Value} */
function parse(text, { choices, low = -Infinity, high = Infinity, whole, length, sizes, rows }) {
  const need = (/** @type {boolean} */ good) => { if (!good) throw new RangeError(text); };
  const number = (/** @type {string} */ t) => {
    const value = Number(t);
    need(t.trim() !== "" && value >= low && value <= high);
    need(!whole || Number.isInteger(value));
    return value;
  };
  /** @param {string} t @param {number} least @param {number} most */
  const list = (t, least, most) => {
    const values = t.split(",").map(number);
    need(values.length >= least && values.length <= most);
    return values;
  };
  if (choices) {
    need(choices.includes(text));
    return text;
  }
  if (length) return list(text, ...length);
  const lines = text.split(";");
  if (sizes) {
    need(sizes.includes(lines.length));
    return lines.map((line) => list(line, lines.length, lines.length));
  }
  if (rows) {
    need(lines.length >= rows[0] && lines.length <= rows[1]);
    return lines.map((line) => list(line, 2, 2));
  }
  return number(text);
}

/** Take the state from the address if it is meant for this explorer; false if it is mangled.
 * @param {Model} model @param {Kind} kind @param {HTMLElement} el */
function restore(model, kind, el) {
  const index = model.get("_index"), all = addressed(), parts = all.get(index);
  if (!parts) return true;
  /** @type {Record<string, Trait>} */
  const traits = EXPLORERS[kind].traits;
  /** @type {Record<string, Value>} */
  const patch = {};
  try {
    for (const name of settable(traits)) {
      const text = parts.get(name);
      if (text !== null) patch[name] = parse(text, traits[name]);
    }
  } catch {
    return false;
  }
  const next = Object.fromEntries(Object.keys(traits).map((name) => [name, patch[name] ?? model.get(name)]));
  if (drawingOf(kind).consistent?.(next) === false) return false;
  for (const [name, value] of Object.entries(patch)) model.set(name, value);
  if ([...all.keys()][0] === index) {
    el.scrollIntoView({ block: "start" });
    if (parts.has("present")) ON_PAGE.get(index)?.present();
  }
  return true;
}
