// A packed network: its numbers, its forward pass, and what a change of one layer makes of it.

/** Maps of one size, one after the other in v.
 * @typedef {{ maps: number, side: number, v: Float64Array }} Maps */
/** @typedef {{ kind: "conv" | "linear" | "norm" | "pool" | "relu", slope: number, padding: number,
 *   shape: number[], weight: Float64Array, bias: Float64Array | null, slopes: Float64Array,
 *   offsets: Float64Array }} Step and those of its parts that its kind has */
/** @typedef {{ name: string, input: number[], mean: number[], std: number[], classes: string[],
 *   steps: any[], data: string }} Packed */

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~";

/** Base 85, as Python's b85decode.
 * @param {string} text */
function fromBase85(text) {
  const digits = new Uint8Array(128);
  [...ALPHABET].forEach((c, n) => { digits[c.charCodeAt(0)] = n; });
  const missing = (5 - (text.length % 5)) % 5, full = text + "~".repeat(missing);
  const view = new DataView(new ArrayBuffer((full.length / 5) * 4));
  for (let at = 0; at < full.length; at += 5) {
    let value = 0;
    for (let n = 0; n < 5; n++) value = value * 85 + digits[full.charCodeAt(at + n)];
    view.setUint32((at / 5) * 4, value);
  }
  return new DataView(view.buffer, 0, view.byteLength - missing);
}

/** The steps of a network with their numbers: see packed.py.
 * @param {Packed} packed
 * @returns {Step[]} */
function unpack({ steps, data }) {
  const bytes = fromBase85(data);
  let at = 0;
  /** @param {number} count */
  const floats = (count) => Float64Array.from({ length: count }, (_, n) => bytes.getFloat32(at + 4 * n, true));
  /** @param {number} count */
  const next = (count) => { const found = floats(count); at += 4 * count; return found; };
  return steps.map((step) => {
    if (step.kind === "norm") return { ...step, slopes: next(step.maps), offsets: next(step.maps) };
    if (!step.shape) return step;
    const [rows] = step.shape, count = step.shape.reduce((/** @type {number} */ a, /** @type {number} */ b) => a * b, 1);
    const levels = Int8Array.from({ length: count }, (_, n) => bytes.getInt8(at + n));
    at += count;
    const scales = next(rows);
    const weight = Float64Array.from(levels, (level, n) => Math.fround(level * scales[Math.floor((n * rows) / count)]));
    return { ...step, weight, bias: step.bias ? next(rows) : null };
  });
}

/** Each patch that a kernel sees as a column: C k k rows of as many numbers as positions.
 * @param {Maps} x @param {number} k @param {number} padding */
function patchesOf({ maps, side, v }, k, padding) {
  const out = side + 2 * padding - k + 1, columns = new Float64Array(maps * k * k * out * out);
  for (let c = 0, to = 0; c < maps; c++) {
    for (let a = 0; a < k; a++) {
      for (let b = 0; b < k; b++) {
        for (let i = 0; i < out; i++) {
          const row = i + a - padding, first = Math.max(0, padding - b), last = Math.min(out, side + padding - b);
          if (row >= 0 && row < side) {
            const from = (c * side + row) * side + b - padding;
            for (let j = first; j < last; j++) columns[to + j] = v[from + j];
          }
          to += out;
        }
      }
    }
  }
  return { columns, positions: out * out, side: out };
}

/** @param {Maps} x @param {Step} step
 * @returns {Maps} */
function convolve(x, { shape: [maps, , k], padding, weight, bias }) {
  const { columns, positions, side } = patchesOf(x, k, padding), taps = weight.length / maps;
  const v = new Float64Array(maps * positions);
  for (let s = 0; s < maps; s++) {
    const out = v.subarray(s * positions, (s + 1) * positions);
    if (bias) out.fill(bias[s]);
    // Three taps at once, for taps are a multiple of k, and k of three as a rule: half of the time.
    let t = 0;
    for (; t + 2 < taps; t += 3) {
      const [w0, w1, w2] = weight.subarray(s * taps + t), a = t * positions, b = a + positions, c = b + positions;
      for (let p = 0; p < positions; p++) out[p] += w0 * columns[a + p] + w1 * columns[b + p] + w2 * columns[c + p];
    }
    for (; t < taps; t++) {
      const w = weight[s * taps + t], from = t * positions;
      for (let p = 0; p < positions; p++) out[p] += w * columns[from + p];
    }
  }
  return { maps, side, v };
}

/** The largest of each 2 by 2 numbers.
 * @param {Maps} x
 * @returns {Maps} */
function pooled({ maps, side, v }) {
  const half = Math.floor(side / 2), out = new Float64Array(maps * half * half);
  for (let c = 0, to = 0; c < maps; c++) {
    for (let i = 0; i < half; i++) {
      for (let j = 0; j < half; j++, to++) {
        const at = (c * side + 2 * i) * side + 2 * j;
        out[to] = Math.max(v[at], v[at + 1], v[at + side], v[at + side + 1]);
      }
    }
  }
  return { maps, side: half, v: out };
}

/** @param {Maps} x @param {Step} step
 * @returns {Maps} */
function stepped(x, step) {
  if (step.kind === "conv") return convolve(x, step);
  if (step.kind === "pool") return pooled(x);
  const size = x.side * x.side;
  if (step.kind === "norm") return { ...x, v: x.v.map((v, n) => {
    const map = Math.floor(n / size);
    return v * step.slopes[map] + step.offsets[map];
  }) };
  if (step.kind === "relu") return { ...x, v: x.v.map((v) => (v < 0 ? step.slope * v : v)) };
  const { shape: [outputs, inputs], weight, bias } = step;
  return { maps: outputs, side: 1, v: Float64Array.from({ length: outputs }, (_, n) =>
    dot(weight.subarray(n * inputs, (n + 1) * inputs), x.v) + (bias?.[n] ?? 0)) };
}

/** The last step before the next layer's.
 * @param {Step[]} steps @param {number} at */
const endOf = (steps, at) => steps.findIndex(({ kind }, n) => n > at && (kind === "conv" || kind === "linear")) - 1;

/** What each step gives, up to and without the step `until`.
 * @param {Step[]} steps @param {Maps} x @param {{ at?: number, removed?: number | null, until?: number }} [options]
 * removed: the map of the convolution at step `at` that is 0 at the layer's end
 * @returns {Maps[]} */
function forward(steps, x, { at = -1, removed = null, until = steps.length } = {}) {
  const values = [], end = removed === null ? -1 : endOf(steps, at);
  for (let n = 0; n < until; n++) {
    x = stepped(x, steps[n]);
    if (n === end && removed !== null) {
      x = { ...x, v: x.v.slice() };
      x.v.fill(0, removed * x.side ** 2, (removed + 1) * x.side ** 2);
    }
    values.push(x);
  }
  return values;
}

/** (G + ε I)^(-1/2) K, each kernel with the norm that it had.
 * @param {number[][]} kernels @param {number[][]} gram @param {number} ridge */
function orthogonalised(kernels, gram, ridge) {
  const power = gram.reduce((sum, r, i) => sum + r[i], 0) / gram.length;
  const through = gram.map((r, i) => r.map((v, j) => v + (i === j ? ridge * power : 0)));
  return inverseRootTimes(through, kernels).map((k, i) => scaled(unit(k), Math.sqrt(dot(kernels[i], kernels[i]))));
}

/** @param {ArrayLike<number>} values */
function moments(values) {
  let sum = 0, squares = 0;
  for (let n = 0; n < values.length; n++) sum += values[n];
  const mean = sum / values.length;
  for (let n = 0; n < values.length; n++) squares += (values[n] - mean) ** 2;
  return { mean, deviation: Math.sqrt(squares) };
}

/** The normalisation behind which each map keeps its mean and its standard deviation.
 * @param {Step} norm @param {Float64Array[]} old maps over all pictures @param {Float64Array[]} now
 * @returns {Step} */
function following(norm, old, now) {
  const slopes = norm.slopes.slice(), offsets = norm.offsets.slice();
  old.forEach((map, n) => {
    const before = moments(map), after = moments(now[n]);
    slopes[n] *= before.deviation / after.deviation;
    offsets[n] += norm.slopes[n] * before.mean - slopes[n] * after.mean;
  });
  return { ...norm, slopes, offsets };
}
