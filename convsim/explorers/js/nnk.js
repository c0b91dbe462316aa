const NNK_READOUTS = {
  candidates_used: "k-NN neighbours",
  neighbors: "NNK neighbours",
  error: "Error",
  sigma: "σ in use",
};

/** @typedef {{ candidates_used: number, neighbors: number | null, error: number | null, sigma: number,
 *   weights: number[] | null }} NNKReadouts */

/** NNK's readouts; which candidates are the k nearest, in order; and their kernel with q.
 * @param {States["nnk"]} s */
function nnkSolve({ query, candidates, k, sigma: wanted }) {
  const squares = candidates.map((point) => squaredDistance(point, query));
  const nearest = indices(squares).sort((i, j) => squares[i] - squares[j] || i - j).slice(0, k);
  const sigma = wanted || Math.sqrt(squares[nearest[nearest.length - 1]]) / 3;
  /** @type {NNKReadouts} */
  const readouts = { candidates_used: nearest.length, neighbors: null, error: null, sigma, weights: null };
  if (sigma < NNK.constants.smallest_sigma) return { readouts, nearest, similarity: null };
  const gaussian = (/** @type {number} */ square) => Math.exp(-square / (2 * sigma * sigma));
  const similarity = squares.map(gaussian);
  // of candidates at one place only the first: the others would make K singular
  const chosen = nearest.filter((i, n) =>
    !nearest.slice(0, n).some((j) => squaredDistance(candidates[i], candidates[j]) === 0));
  const K = chosen.map((i) => chosen.map((j) => gaussian(squaredDistance(candidates[i], candidates[j]))));
  const target = chosen.map((i) => similarity[i]);
  const theta = nonnegativeLeastSquares(K, target).map((t) => (t > NNK.constants.smallest_weight ? t : 0));
  const weights = squares.map(() => 0);
  chosen.forEach((i, n) => (weights[i] = theta[n]));
  readouts.neighbors = theta.filter((weight) => weight > 0).length;
  readouts.error = Math.max(0, 1 + theta.reduce((sum, t, n) => sum + t * (dot(K[n], theta) - 2 * target[n]), 0));
  readouts.weights = weights;
  return { readouts, nearest, similarity };
}

/** What a picture says of a state.
 * @typedef {ReturnType<typeof explained>} Explained */

/** The neighbours, what hides the others, and the borders.
 * @param {States["nnk"]} s */
function explained(s) {
  const solved = nnkSolve(s), { readouts, nearest } = solved, { candidates, query: q } = s;
  const weight = (/** @type {number} */ i) => readouts.weights?.[i] ?? 0;
  const neighbours = nearest.filter((i) => weight(i) > 0);
  /** How clearly i alone does not hide j.
   * @param {number} j @param {number} i */
  const clear = (j, i) => before(candidates[j], candidates[i], q);
  /** @param {number} j @param {number} i */
  const behind = (j, i) => clear(j, i) <= 1e-12; // 0, but for rounding
  const covered = neighbours.some((i) => squaredDistance(candidates[i], q) === 0);
  const borders = covered ? [] : neighbours.map((i) => candidates[i]);
  const names = neighbours.map((i) => i + 1).join(", ");
  return { ...solved, weight, neighbours, clear, behind, covered, borders, names };
}

/** The weight of a candidate, or why it has none.
 * @param {Explained} e @param {number} i */
function why({ readouts, similarity, weight, neighbours, clear, behind }, i) {
  if (readouts.weights === null || similarity === null) return "undefined";
  if (weight(i) > 0) return show(weight(i));
  const hiders = neighbours.filter((n) => behind(i, n)).sort((a, b) => clear(i, a) - clear(i, b));
  if (hiders.length > 0) return `hidden by ${hiders[0] + 1}`;
  return similarity[i] <= NNK.constants.smallest_weight ? "too far for σ" : "hidden by several together";
}

/** The sentence below the pictures.
 * @param {Explained} e */
function inWords({ readouts, neighbours, behind, covered, names }) {
  if (readouts.weights === null) {
    return "Undefined: σ is 0, or as good as 0. The automatic σ is, if all of the k nearest lie on q: move one " +
      "away, or set a larger σ.";
  }
  if (covered) {
    return `Point ${names} lies on q and takes all the weight. There is no direction from q to it, ` +
      "and so no border and no polytope.";
  }
  if (neighbours.length === 0) return "No point has a weight: for so small a σ all of them are too far.";
  const back = neighbours.find((j) => neighbours.some((i) => i !== j && behind(j, i)));
  const front = neighbours.find((i) => i !== back && back !== undefined && behind(back, i));
  if (back !== undefined && front !== undefined) {
    return `Point ${back + 1} lies behind the border of ${front + 1}, yet has a weight: if they were the only ` +
      `two, it would be hidden, whatever σ, but other neighbours take weight from ${front + 1}.`;
  }
  return "A point behind the border of another is hidden by it, whatever σ, if these are the only two. " +
    "The region on q's side of all borders is the NNK polytope.";
}

/** The weights of the k nearest as a list of bars, nearest first. */
function weightList() {
  const rows = SLOTS.map(() => {
    const [name, bar, value] = ["name", "bar", "value"].map((part) => h("span", { class: `convsim-weight-${part}` }));
    const track = h("span", { class: "convsim-weight-track", "aria-hidden": "true" }, bar);
    return { node: h("li", {}, name, track, value), name, bar, value };
  });
  /** @param {Explained} e */
  const draw = (e) => rows.forEach(({ node, name, bar, value }, n) => {
    const i = e.nearest[n];
    node.hidden = i === undefined;
    if (node.hidden) return;
    name.textContent = String(i + 1);
    bar.style.width = `${f(100 * e.weight(i))}%`; // no weight exceeds 1, the kernel's largest value
    value.textContent = why(e, i);
    value.dataset.readout = `weight_${i + 1}`;
    value.dataset.value = String(e.readouts.weights && e.weight(i));
  });
  return { node: h("ul", { class: "convsim-weights" }, ...rows.map((r) => r.node)), draw };
}

/** The sliders of k and σ.
 * @param {View<"nnk">} view */
function neighbourControls(view) {
  const { k: { low, high }, sigma: widths } = view.traits, kValue = inline(), sigmaValue = inline();
  const k = slider({ min: low, max: high }, (value) => view.set({ k: value }));
  const sigma = slider({ min: widths.low, max: widths.high, step: 0.01 }, (value) => view.set({ sigma: value }));
  /** @param {States["nnk"]} s @param {Explained} e */
  function draw(s, { readouts }) {
    const count = s.candidates.length;
    follow(k, s.k);
    kValue.textContent = `k = ${s.k}${s.k > count ? ": all" : " of"} ${count}`;
    k.setAttribute("aria-valuetext", kValue.textContent);
    follow(sigma, s.sigma);
    sigmaValue.textContent = s.sigma > 0 ? `σ = ${short(s.sigma)}` : `automatic: ${short(readouts.sigma)}`;
    sigma.setAttribute("aria-valuetext", sigmaValue.textContent);
  }
  const node = h("div", { class: "convsim-kernels" }, field("Neighbours k", k, kValue), field("Kernel width σ", sigma, sigmaValue));
  return { node, draw };
}

/** @type {(v: number) => number} */
const onGrid = (v) => Math.round(100 * Math.min(REACH, Math.max(-REACH, v))) / 100;

const RAY = [[0.4, 0.3], [0.8, 0.6], [1.2, 0.9], [1.6, 1.2], [-0.6, -0.45]];
const RING = Array.from({ length: 6 }, (_, n) =>
  polar(0.6, ((2 * n + 1) * Math.PI) / 6).map((v) => Math.round(100 * v) / 100));
const RINGS = [...RING, ...RING.map((point) => scaled(point, 2))];

/** Buttons that place all points.
 * @param {View<"nnk">} view */
function arrangements(view) {
  let seed = 0;
  /** @param {number[][]} candidates */
  const preset = (candidates) => view.set({ query: [0, 0], candidates, k: candidates.length, sigma: 0 });
  function randomise() {
    const drawn = uniformNoise(++seed, 2 * MOST_POINTS).map((v) => onGrid(1.9 * (2 * v - 1)));
    view.set({ query: [0, 0], candidates: SLOTS.map((i) => drawn.slice(2 * i, 2 * i + 2)) });
  }
  return h("div", { class: "convsim-row", role: "group", "aria-label": "Arrangements" },
    button("In a row", () => preset(RAY)), button("Ring behind ring", () => preset(RINGS)), button("Random", randomise));
}

/** @param {View<"nnk">} view */
function nnkView(view) {
  const panel = readoutPanel(NNK_READOUTS, ["neighbors", "error"]), knn = new Chart(440, view.draw), nnk = new Chart(440, view.draw);
  const hand = pointHand(view), controls = neighbourControls(view), weights = weightList();
  const said = h("p", { class: "convsim-alive" });
  [knn, nnk].forEach((plane) => draggable(plane, view, hand));

  /** @param {States["nnk"]} s */
  function draw(s) {
    const e = explained(s), { readouts, nearest, names } = e, { candidates } = s;
    hand.draw(s);
    const sentence = panel.draw(readouts, () => 1);
    controls.draw(s, e);

    const among = candidates.map((_, i) => nearest.includes(i));
    drawPlane(knn, s, hand.moving, among.map((is) => (is ? 2 : null)), []);
    knn.end(`The query q and its ${nearest.length} nearest neighbours of ${candidates.length} points: ` +
      nearest.map((i) => i + 1).join(", "));
    const widths = among.map((is, i) => (!is ? null : e.weight(i) > 0 ? 1.5 + 10 * e.weight(i) : 0));
    drawPlane(nnk, s, hand.moving, widths, e.borders);
    nnk.end(`The query q and its ${e.neighbours.length} NNK neighbours: ${names || "none"}` +
      (e.borders.length ? "; their borders enclose the NNK polytope around q" : ""));
    weights.draw(e);

    said.textContent = inWords(e);
    said.classList.toggle("convsim-warning", readouts.weights === null);
    return `${sentence}. ${readouts.weights === null ? said.textContent : `Neighbours: ${names || "none"}`}`;
  }

  const nodes = [
    arrangements(view),
    controls.node,
    hand.node,
    h("div", { class: "convsim-kernels" },
      figure(knn.svg, h("strong", {}, "k nearest neighbours"), key("convsim-dot-one", "one of the k nearest"),
        key("convsim-dot-other", "another point")),
      effect(figure(nnk.svg, h("strong", {}, "NNK neighbours"), key("convsim-wide-swatch", "weight"),
        key("convsim-hollow-swatch", "hidden"), key("convsim-dash-two", "border"),
        key("convsim-polytope-swatch", "NNK polytope")), panel.lead)),
    panel.node,
    h("div", { class: "convsim-figure", role: "group", "aria-label": "Weights" },
      h("div", { class: "convsim-caption" }, h("strong", {}, "Weights θ"), "of the k nearest, nearest first"), weights.node),
    said,
  ];
  const stop = () => [knn, nnk].forEach((plane) => plane.stop());
  return { nodes, draw, stop, reset: () => { hand.moving = 0; } };
}

DRAWINGS.nnk = {
  title: "NNK explorer",
  about: "A query in the plane, and the points around it. Each of its k nearest neighbours draws a border; what lies behind it adds nothing new and gets no weight. What keeps a weight is an NNK neighbour.",
  compute: (state) => nnkSolve(state).readouts,
  build: nnkView,
};
