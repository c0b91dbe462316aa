// A network on a picture: how alike its maps are, and what a change of one layer does.

const NETWORK = EXPLORERS.network, { side: PICTURE, ridge_kernels: RIDGE_KERNELS, ridge_maps: RIDGE_MAPS } = NETWORK.constants;
const NEARLY = 0.05; // the size of a cosine that counts as orthogonal
/** @type {readonly States["network"]["image"][]} */
const DRAWN = NETWORK.traits.image.choices.filter((name) => name !== "own");

/** @typedef {States["network"]} NetworkState */
/** @typedef {{ packed: Packed, steps: Step[], inputs: Map<number, Maps[]> }} Loaded with the ten
 * pictures as they come to a step */

/** The script that holds a state's network, on a page.
 * @param {NetworkState} s */
const supplyOf = ({ network, trained }) =>
  (network === "longer" && trained === "before" ? "default-before" : `${network}-${trained}`);

/** A state's network and the ten pictures, or null while they are not here.
 * @param {NetworkState} s */
function arrivedOf(s) {
  const wanted = s.network === "own" ? "own" : `${s.network}-${s.trained}`;
  const sent = /** @type {any} */ (s.packed); // by Python
  const packed = sent?.name === wanted ? sent : SUPPLIES.get(supplyOf(s));
  const pictures = s.pictures || SUPPLIES.get("pictures");
  return packed && pictures ? { packed: /** @type {Packed} */ (packed), pictures: /** @type {string} */ (pictures) } : null;
}

/** @param {string} base64 @param {number} [picture] @returns {Float64Array} bytes / 255 */
function pixelsOf(base64, picture = 0) {
  const size = 3 * PICTURE * PICTURE, bytes = atob(base64);
  return Float64Array.from({ length: size }, (_, n) => bytes.charCodeAt(picture * size + n) / 255);
}

/** A picture as the network gets it.
 * @param {Float64Array} pixels @param {Packed} packed
 * @returns {Maps} */
const normalised = (pixels, { mean, std }) => ({ maps: 3, side: PICTURE, v: pixels.map((v, n) => {
  const c = Math.floor(n / PICTURE ** 2);
  return (v - Math.fround(mean[c])) / Math.fround(std[c]);
}) });

/** Maps as rows, less their mean if asked for.
 * @param {Maps} x @param {NetworkState["centered"]} centered */
function rowsOf({ maps, side, v }, centered) {
  return Array.from({ length: maps }, (_, n) => {
    const row = v.slice(n * side * side, (n + 1) * side * side);
    if (centered === "raw") return row;
    const { mean } = moments(row);
    return row.map((value) => value - mean);
  });
}

/** Products of rows, and their cosines, NaN where a row is zero.
 * @param {ArrayLike<number>[]} rows */
function comparedRows(rows) {
  const gram = rows.map((a, i) => rows.map((b, j) => (j < i ? 0 : dot(a, b))));
  gram.forEach((r, i) => r.forEach((_, j) => { if (j < i) r[j] = gram[j][i]; }));
  const sizes = gram.map((r, i) => Math.sqrt(r[i]));
  return { gram, cosines: gram.map((r, i) => r.map((v, j) => v / (sizes[i] * sizes[j]))) };
}

/** @param {number[][]} cosines */
function meanSize(cosines) {
  let sum = 0, count = 0;
  cosines.forEach((r, i) => r.forEach((v, j) => { if (i !== j && !Number.isNaN(v)) { sum += Math.abs(v); count++; } }));
  return count ? sum / count : null;
}

/** Σ_c K[c] ⋆ K[c] of a kernel of several channels.
 * @param {number[]} kernel @param {number} n rows of a channel */
function autocorrelation(kernel, n) {
  const width = 2 * n - 1, lags = new Float64Array(width * width);
  for (let c = 0; c < kernel.length; c += n * n) {
    for (let p = 0; p < n * n; p++) {
      for (let q = 0; q < n * n; q++) {
        const down = Math.floor(q / n) - Math.floor(p / n), across = (q % n) - (p % n);
        lags[(down + n - 1) * width + across + n - 1] += kernel[c + p] * kernel[c + q];
      }
    }
  }
  return lags;
}

/** ⟨F_i, F_j⟩ by lags, all pairs of channels together.
 * @param {Maps} x @param {number[]} a kernel @param {number[]} b @param {number} n rows of a channel */
function lagTerms({ maps, side, v }, a, b, n) {
  const width = 2 * n - 1, terms = Array.from({ length: width }, () => new Array(width).fill(0));
  /** @param {number} c @param {number} d @param {number} down @param {number} across */
  const ofInput = (c, d, down, across) => {
    let sum = 0;
    for (let i = Math.max(0, -down); i < Math.min(side, side - down); i++) {
      for (let j = Math.max(0, -across); j < Math.min(side, side - across); j++) {
        sum += v[(c * side + i + down) * side + j + across] * v[(d * side + i) * side + j];
      }
    }
    return sum;
  };
  terms.forEach((r, i) => r.forEach((_, j) => {
    const down = i - n + 1, across = j - n + 1;
    for (let c = 0; c < maps; c++) {
      for (let d = 0; d < maps; d++) {
        let ofKernels = 0;
        for (let p = 0; p < n * n; p++) {
          const row = Math.floor(p / n) + down, column = (p % n) + across;
          if (row >= 0 && row < n && column >= 0 && column < n) ofKernels += a[(c * n + row) * n + column] * b[d * n * n + p];
        }
        if (ofKernels) r[j] += ofKernels * ofInput(c, d, down, across);
      }
    }
  }));
  return terms;
}

/** @param {ArrayLike<number>} logits */
function softmax(logits) {
  const most = Math.max(...Array.from(logits)), powers = Array.from(logits, (v) => Math.exp(v - most));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((v) => v / sum);
}

/** Keeps what a change of state leaves as it was: networks, passes, changes of a layer.
 * @returns {(s: NetworkState) => Measured | null} */
function networkMeter() {
  /** @type {Map<string, Loaded>} */
  const loaded = new Map();
  /** @type {Map<string, any>} */
  const kept = new Map();
  /** @template T @param {string} slot @param {any[]} key @param {() => T} make @returns {T} */
  function once(slot, key, make) {
    const text = JSON.stringify(key);
    if (kept.get(slot)?.text !== text) kept.set(slot, { text, value: make() });
    return kept.get(slot).value;
  }

  return (s) => {
    const arrived = arrivedOf(s);
    if (!arrived) return null;
    const { packed, pictures } = arrived, key = packed.data.slice(0, 2000) + packed.data.length;
    const net = loaded.get(key) ?? { packed, steps: unpack(packed), inputs: new Map() };
    loaded.set(key, net);
    const layers = net.steps.flatMap(({ kind }, n) => (kind === "conv" ? [n] : []));
    const at = layers[Math.min(s.layer, layers.length) - 1], step = net.steps[at];
    const base64 = s.image === "own" ? s.own : pictures, place = Math.max(0, DRAWN.indexOf(s.image));
    const pixels = once("pixels", [base64.length, s.image, s.image === "own" ? s.own : ""], () => pixelsOf(base64, s.image === "own" ? 0 : place));
    const x = normalised(pixels, packed);
    const plain = once("plain", [key, s.image, s.image === "own" ? s.own : ""], () => forward(net.steps, x));
    /** @param {Step[]} steps */
    const overAll = (steps) => {
      /** @type {Maps[]} */
      const before = net.inputs.get(at) ?? DRAWN.map((_, n) => {
        const input = normalised(pixelsOf(pictures, n), packed);
        return at ? /** @type {Maps} */ (forward(net.steps, input, { until: at }).at(-1)) : input;
      });
      net.inputs.set(at, before);
      const all = before.map((input) => rowsOf(convolve(input, steps[at]), "raw"));
      return all[0].map((_, map) => Float64Array.from(all.flatMap((rows) => Array.from(rows[map]))));
    };
    const shown = s.stage === "maps" ? at : endOf(net.steps, at), taps = step.weight.length / step.shape[0];
    const change = s.change === "scale" ? [s.change, s.factor] : s.change === "orthogonal-maps" ? [s.change, s.centered] : [s.change];
    const steps = once("steps", [key, at, change], () => changedSteps(s, net.steps, at, overAll));
    /** @type {number | null} */
    let removed = null;
    if (s.change === "remove") {
      const sums = comparedRows(rowsOf(plain[shown], s.centered)).cosines.map((r) => r.reduce((sum, v) => sum + Math.abs(v || 0), 0));
      removed = sums.indexOf(Math.max(...sums));
    }
    const values = s.change === "none" ? plain : once("values", [key, s.image, s.image === "own" ? s.own : "", at, change, removed],
      () => [...plain.slice(0, at), ...forward(steps.slice(at), at ? plain[at - 1] : x, { at: 0, removed })]);
    const weight = steps[at].weight, kernels = Array.from({ length: step.shape[0] }, (_, n) => Array.from(weight.subarray(n * taps, (n + 1) * taps)));
    const k = step.shape[2];
    const ofKernels = once("kernels", [key, at, change], () => ({ cosines: comparedRows(kernels).cosines, products: comparedRows(kernels.map((kernel) => autocorrelation(kernel, k))) }));
    const maps = rowsOf(values[shown], s.centered), ofMaps = comparedRows(maps).cosines;
    const [i, j] = [s.first, s.second].map((n) => (n - 1) % kernels.length);
    const probabilities = softmax(values[values.length - 1].v), before = softmax(plain[plain.length - 1].v);
    return { packed, pictures, layers: layers.length, pixels, kernels, rows: k, channels: step.shape[1], pair: [i, j], shown: values[shown],
      matrices: [ofKernels.cosines, ofKernels.products.cosines, ofMaps],
      readouts: networkReadouts({ ofKernels, ofMaps, i, j, probabilities, before, removed,
        terms: at === 0 ? lagTerms(x, kernels[i], kernels[j], k) : null }) };
  };
}

/** @typedef {{ packed: Packed, pictures: string, layers: number, pixels: Float64Array, kernels: number[][], rows: number, channels: number,
 *   pair: number[], shown: Maps, matrices: number[][][], readouts: Readouts }} Measured */

/** Of the pairs of nearly orthogonal kernels the one with the most alike maps.
 * @param {Measured} found */
function surprisingPair({ matrices: [ofKernels, , ofMaps] }) {
  let best = -1;
  /** @type {Point} */
  let pair = [0, 1];
  ofMaps.forEach((r, i) => r.forEach((v, j) => {
    if (i < j && Math.abs(ofKernels[i][j]) < NEARLY && Math.abs(v) > best) [best, pair] = [Math.abs(v), [i, j]];
  }));
  return pair;
}

/** The steps after the change of the convolution at step `at`, with a normalisation that follows it.
 * @param {NetworkState} s @param {Step[]} steps @param {number} at @param {(steps: Step[]) => Float64Array[]} overAll */
function changedSteps(s, steps, at, overAll) {
  if (s.change === "none" || s.change === "remove") return steps;
  const step = steps[at], taps = step.weight.length / step.shape[0], changed = steps.slice();
  const kernels = Array.from({ length: step.shape[0] }, (_, n) => Array.from(step.weight.subarray(n * taps, (n + 1) * taps)));
  const norm = steps[at + 1].kind === "norm";
  if (s.change === "scale") {
    changed[at] = { ...step, weight: step.weight.map((w) => s.factor * w) };
    if (norm) changed[at + 1] = { ...steps[at + 1], slopes: steps[at + 1].slopes.map((v) => v / s.factor) };
    return changed;
  }
  const old = overAll(steps);
  /** @returns {number[][]} */
  const made = () => {
    if (s.change === "orthogonal-kernels") return orthogonalised(kernels, comparedRows(kernels).gram, RIDGE_KERNELS);
    const rows = s.centered === "raw" ? old : old.map((map) => { const { mean } = moments(map); return map.map((v) => v - mean); });
    return orthogonalised(kernels, comparedRows(rows).gram, RIDGE_MAPS);
  };
  changed[at] = { ...step, weight: Float64Array.from(made().flat()) };
  if (norm) changed[at + 1] = following(steps[at + 1], old, overAll(changed));
  return changed;
}

/** @param {{ ofKernels: any, ofMaps: number[][], i: number, j: number, probabilities: number[], before: number[],
 *   removed: number | null, terms: number[][] | null }} found */
function networkReadouts({ ofKernels, ofMaps, i, j, probabilities, before, removed, terms }) {
  const { gram, cosines } = ofKernels.products, defined = (/** @type {number} */ v) => (Number.isNaN(v) ? null : v);
  let loss = 0;
  /** @type {number[][]} */ (gram).forEach((r, p) => r.forEach((v, q) => { if (q > p) loss += v; }));
  return {
    kernel_cosine: meanSize(ofKernels.cosines),
    similarity: meanSize(cosines),
    loss,
    map_cosine: meanSize(ofMaps),
    pair_kernels: defined(ofKernels.cosines[i][j]),
    pair_similarity: defined(cosines[i][j]),
    pair_maps: defined(ofMaps[i][j]),
    lag_terms: terms,
    probabilities,
    moved: Math.max(...probabilities.map((p, n) => Math.abs(p - before[n]))),
    removed: removed === null ? null : removed + 1,
  };
}

const NOTHING = { kernel_cosine: null, similarity: null, loss: null, map_cosine: null, pair_kernels: null, pair_similarity: null,
  pair_maps: null, lag_terms: null, probabilities: null, moved: null, removed: null };

DRAWINGS.network = {
  title: "Network explorer",
  about: "A network that was trained to tell ten kinds of pictures apart, at work on one picture. The three matrices compare the kernels of a layer pair by pair, as kernels, by the loss, and by their feature maps.",
  compute: (state) => networkMeter()(state)?.readouts ?? NOTHING,
  build: networkView,
};
