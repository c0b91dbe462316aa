// How numbers are written, and the ranges that pictures give them.

const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";

/** A number as a reader wants it: about four digits, a true minus, no 1e-17 for zero, and no 0.00
 * for what is not zero.
 * @param {number | null} value @param {number} [digits] @param {number} [unit] */
function show(value, digits, unit = 1) {
  if (value === null) return "undefined";
  const size = Math.abs(value);
  if (size < 1e-12 * unit) return "0"; // what rounding leaves of zero among numbers of size unit
  if (digits === undefined && Number.isInteger(value) && size < 1e6) return minus(value);
  if (digits === undefined && (size < 1e-3 || size >= 1e6)) {
    const [mantissa, power] = value.toExponential(2).split("e");
    const raised = [...String(Math.abs(Number(power)))].map((d) => SUPERSCRIPTS[Number(d)]).join("");
    return `${minus(mantissa)} × 10${Number(power) < 0 ? "⁻" : ""}${raised}`;
  }
  const text = value.toFixed(digits ?? (size >= 1000 ? 1 : size >= 100 ? 2 : size >= 10 ? 3 : 4));
  return Number(text) === 0 ? short(Number(value.toPrecision(1))) : minus(text);
}

/** @type {(text: number | string) => string} */
const minus = (text) => String(text).replace("-", "−");

/** A tick has room for six characters.
 * @param {number} value */
function short(value) {
  const round = Number(value.toPrecision(3)), size = Math.abs(round);
  return minus(size > 0 && (size < 1e-3 || size > 1e6) ? round.toExponential().replace("+", "") : round);
}

/** A range that holds zero and the values and ends on round numbers, so that it seldom moves.
 * @param {Iterable<number>[]} lists
 * @returns {[number, number]} */
function roundRange(...lists) {
  let low = 0, high = 0;
  for (const list of lists) {
    for (const v of list) { if (v < low) low = v; if (v > high) high = v; }
  }
  if (low === high) high = 1;
  const raw = (high - low) / 5, power = 10 ** Math.floor(Math.log10(raw));
  const step = ([1, 2, 5].find((s) => s * power >= raw) ?? 10) * power;
  return [Math.floor(low / step + 1e-9) * step, Math.ceil(high / step - 1e-9) * step];
}

/** Hundredths of a pixel.
 * @type {(v: number) => number} */
const f = (v) => Math.round(v * 100) / 100;
/** @type {(values: ArrayLike<number>) => Point[]} */
const indexed = (values) => Array.from(values, (v, n) => [n, v]);
