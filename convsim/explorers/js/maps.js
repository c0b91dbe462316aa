// Two kernels on one input: their feature maps, and both sides of Eq. 11.

/** @param {Grid} k1 @param {Grid} k2 @param {Grid} x @param {Grid} lags X ⋆ X */
function analyse(k1, k2, x, lags) {
  const maps = [correlate(x, k1), correlate(x, k2)];
  const cross = correlate(k1, k2);
  const terms = Array.from(cross.v, (value, n) => value * lags.v[n]);
  const middle = (terms.length - 1) / 2;
  const mapCosine = cosine(maps[0].v, maps[1].v), products = dot(k1.v.map(Math.abs), k2.v.map(Math.abs));
  const largest = Math.max(...terms.map(Math.abs));
  return {
    maps,
    cross,
    lags,
    terms,
    largest,
    // of what is added up, by which rounding is told from zero: for ⟨K₁, K₂⟩ and for Eq. 11
    sizes: { kernels: products, sum: Math.max(largest, products * lags.v[middle]) },
    readouts: {
      kernel_similarity: dot(k1.v, k2.v),
      kernel_cosine: cosine(k1.v, k2.v),
      feature_map_similarity: dot(maps[0].v, maps[1].v),
      feature_map_cosine: mapCosine === null ? null : Math.abs(mapCosine),
      convolutional_similarity: dot(cross.v, cross.v),
      lag_0: terms[middle],
      other_lags: terms.reduce((sum, term, n) => (n === middle ? sum : sum + term), 0),
    },
  };
}

/** analyse() on a state; X and X ⋆ X change less often than the kernels and are remembered.
 * @template T
 * @template {{ kernel_1: T[], kernel_2: T[] }} S
 * @param {(kernel: T[]) => Grid} grid @param {(s: S) => Grid} signal
 * @param {(keyof S)[]} depends of the state, what X depends on */
function analyser(grid, signal, depends) {
  /** @type {string} */
  let now;
  /** @type {Grid} */
  let x;
  /** @type {Grid} */
  let lags;
  return (/** @type {S} */ s) => {
    const reach = s.kernel_1.length - 1, next = JSON.stringify([reach, ...depends.map((k) => s[k])]);
    if (next !== now) {
      [now, x] = [next, signal(s)];
      lags = autocorrelate(x, x.h > 1 ? reach : 0, reach);
    }
    return { x, ...analyse(grid(s.kernel_1), grid(s.kernel_2), x, lags) };
  };
}

const MAP_READOUTS = {
  kernel_similarity: "⟨K₁, K₂⟩",
  kernel_cosine: "cos(K₁, K₂)",
  feature_map_similarity: "⟨F₁, F₂⟩",
  feature_map_cosine: "|cos(F₁, F₂)|",
  convolutional_similarity: "L_CS = ‖K₁ ⋆ K₂‖²",
};

/** What the parts of Eq. 11 are called: in the book, and at a first sight. */
const SUM_WORDS = { lag_0: "lag 0: ", other_lags: "+ other lags: ", total: "= ⟨F₁, F₂⟩: " };
/** @typedef {ReturnType<typeof analyse>} Analysed */

/** The readouts of two feature maps, and Eq. 11 as a sum.
 * @param {Record<string, string>} [labels] @param {typeof SUM_WORDS} [words] */
function mapsPanel(labels = MAP_READOUTS, words = SUM_WORDS) {
  const panel = readoutPanel(labels, ["kernel_cosine", "feature_map_cosine"]), total = h("strong");
  const sum = h("p", { class: "convsim-sum" },
    h("span", {}, words.lag_0, panel.cell("lag_0", "strong", "convsim-text-lag0")),
    h("span", {}, words.other_lags, panel.cell("other_lags", "strong", "")),
    h("span", {}, words.total, total));
  /** @param {Analysed} analysed */
  function draw({ readouts, sizes }) {
    /** L_CS, a sum of squares, is 0 only of zeros.
     * @type {Record<string, number>} */
    const units = { kernel_similarity: sizes.kernels, kernel_cosine: 1, feature_map_cosine: 1, convolutional_similarity: 0 };
    const unitOf = (/** @type {string} */ name) => units[name] ?? sizes.sum;
    total.textContent = show(readouts.feature_map_similarity, undefined, sizes.sum);
    return panel.draw(readouts, unitOf);
  }
  return { node: panel.node, lead: panel.lead, sum, draw };
}

/** Two traits of one change may arrive one after the other.
 * @type {(s: { kernel_1: any[], kernel_2: any[] }) => boolean} */
const ofOneSize = ({ kernel_1, kernel_2 }) => kernel_1.length === kernel_2.length;
