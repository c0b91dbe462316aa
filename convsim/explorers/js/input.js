const INPUT = EXPLORERS.input, { side: SIDE, kernels: COUNT, taps: TAPS } = INPUT.constants;

/** @typedef {States["input"]} InputState */

/** The inputs X by name: a label, and the picture.
 * @type {Record<InputState["input"], [string, (s: InputState) => Grid]>} */
const PICTURES = {
  photograph: ["Photograph", (s) => decode(s.photograph)],
  differences: ["Its differences", (s) => differences(decode(s.photograph))],
  noise: ["White noise", () => noisePicture(0, 1)],
  constant: ["Constant and weak noise", () => noisePicture(0.5, 0.1)],
  own: ["Your own picture", (s) => decode(s.own)],
};

/** @param {number} middle @param {number} size */
const noisePicture = (middle, size) => ({ h: SIDE, w: SIDE,
  v: uniformNoise(INPUT.constants.noise_seed, SIDE * SIDE).map((v) => middle + size * (2 * v - 1)) });

/** What each tap of a kernel sees, position by position.
 * @param {Grid} x */
function seenByTaps({ h: height, w, v }) {
  return Array.from({ length: TAPS * TAPS }, (_, tap) => {
    const top = Math.floor(tap / TAPS), left = tap % TAPS, seen = [];
    for (let i = top; i <= height - TAPS + top; i++) {
      for (let j = left; j <= w - TAPS + left; j++) seen.push(v[i * w + j]);
    }
    return seen;
  });
}

/** Each pixel less the mean of the four around it.
 * @param {Grid} x */
function differences(x) {
  const [, up, , left, middle, right, , down] = seenByTaps(x);
  return { h: x.h - 2, w: x.w - 2, v: middle.map((v, n) => v - (up[n] + down[n] + left[n] + right[n]) / 4) };
}

/** @param {ArrayLike<number>[]} rows */
const gramOf = (rows) => rows.map((a) => rows.map((b) => dot(a, b)));

/** The cosines of rows; of those of different ones the mean size, and the mean.
 * @param {ArrayLike<number>[]} rows */
function cosinesOf(rows) {
  const gram = gramOf(rows);
  const cosines = gram.map((r, i) => r.map((v, j) => v / Math.sqrt(gram[i][i]) / Math.sqrt(gram[j][j])));
  const away = cosines.flatMap((r, i) => r.filter((_, j) => i !== j));
  /** @param {number[]} values */
  const meanOf = (values) => values.reduce((sum, v) => sum + v, 0) / values.length;
  return { cosines, mean: meanOf(away.map(Math.abs)), signed: meanOf(away) };
}

/** X, what the taps see of it, R and its eigenvalues.
 * @param {InputState} s */
function autocorrelated(s) {
  const x = PICTURES[s.input][1](s);
  const seen = seenByTaps(x).map((values) => {
    const mean = s.patches === "centered" ? values.reduce((sum, v) => sum + v, 0) / values.length : 0;
    return values.map((v) => v - mean);
  });
  const R = gramOf(seen).map((r) => scaled(r, 1 / seen[0].length));
  const total = R.reduce((sum, r, i) => sum + r[i], 0);
  const shares = eigen(R).values.map((v) => Math.max(0, v) / total).sort((a, b) => b - a);
  return { x, seen, R, power: total / R.length, shares };
}

/** The kernels K_ε, their maps and the readouts; null where R is zero.
 * @param {InputState} s @param {ReturnType<typeof autocorrelated>} input */
function betweenBoth({ seed, eps }, { seen, R, power, shares }) {
  if (power < INPUT.constants.least_power) return null;
  const drawn = uniformNoise(seed, COUNT * R.length).map((v) => 2 * v - 1);
  const K = Array.from({ length: COUNT }, (_, i) => unit(drawn.slice(i * R.length, (i + 1) * R.length)));
  const through = K.map((k) => R.map((r, n) => dot(r, k) + eps * power * k[n]));
  const kernels = inverseRootTimes(through.map((a) => K.map((k) => dot(a, k))), K).map(unit);
  const maps = kernels.map((kernel) => {
    const map = new Float64Array(seen[0].length);
    kernel.forEach((tap, n) => seen[n].forEach((v, at) => { map[at] += tap * v; }));
    return map;
  });
  const [ofKernels, ofMaps] = [kernels, maps].map(cosinesOf);
  return { kernels, maps, readouts: {
    kernel_cosine: ofKernels.mean,
    map_cosine: ofMaps.mean,
    eigenvalues: shares,
    kernel_gram: ofKernels.cosines,
    map_gram: ofMaps.cosines,
  } };
}

const NO_READOUTS = { kernel_cosine: null, map_cosine: null, eigenvalues: null, kernel_gram: null, map_gram: null };

/** The input, the reader's own, what is left of it, and the seed of the kernels.
 * @param {View<"input">} view */
function inputControls(view) {
  const { input: { choices }, seed: seeds } = view.traits;
  const which = select(choices.map((name) => [name, PICTURES[name][0]]), (name) => view.set({ input: name }));
  const patches = select([["raw", "as they are"], ["centered", "less their mean"]], (name) => view.set({ patches: name }));
  const seed = seedInput(seeds, (value) => view.set({ seed: value }));
  const own = ownPicture({ side: SIDE, channels: 1, take: (levels) => view.set({ input: "own", own: levels }) });
  /** @param {InputState} s */
  function draw(s) {
    which.value = s.input;
    patches.value = s.patches;
    own.draw(s.input === "own", s.own);
    follow(seed, s.seed);
  }
  const nodes = [h("div", { class: "convsim-row" }, field("Input X", which), field("Patches", patches),
    field("Kernel seed", seed), button("New kernels", () => view.set({ seed: (view.state().seed + 1) % (seeds.high + 1) }))), own.node, own.note];
  return { nodes, draw, own };
}

/** From the largest ε on the left to the smallest on the right.
 * @param {View<"input">} view */
function epsSlider(view) {
  const { low, high } = view.traits.eps, value = inline(), place = (/** @type {number} */ eps) => -Math.log10(eps);
  value.style.minWidth = "8.5em"; // else the slider jumps under the hand
  const input = slider({ min: place(high), max: place(low), step: 0.1 }, (v) => view.set({ eps: Number((10 ** -v).toPrecision(3)) }));
  /** @param {InputState} s */
  function draw({ eps }) {
    follow(input, place(eps));
    value.textContent = `ε = ${show(eps)}`;
    input.setAttribute("aria-valuetext", value.textContent); // not the logarithm
  }
  return { node: field("ε: kernels orthogonal on the left, maps orthogonal on the right", input, value), draw };
}

/** The cosines above the diagonal in words.
 * @param {number[][] | null} gram */
const pairsOf = (gram) => gram?.flatMap((r, i) => r.flatMap((v, j) =>
  (i < j ? [`${i + 1} and ${j + 1} ${show(v, 2)}`] : []))).join(", ") ?? "undefined";

/** @param {Chart} chart @param {number[] | null} shares */
function drawEigenvalues(chart, shares) {
  chart.height = chart.width;
  chart.axes(1, TAPS * TAPS, 0, 1);
  chart.bars("bars", "convsim-fill-one", (shares ?? []).map((v, n) => [n + 1, v]));
  if (shares) chart.put("largest", "text", { class: "convsim-tick convsim-strong", x: chart.x(1.6), y: f(Math.max(22, chart.y(shares[0]) - 5)) },
    percent(shares[0]));
  chart.ticks([1, TAPS * TAPS]);
  chart.end(`Eigenvalues of R as shares of the power: ${shares?.map(percent).join(", ") ?? "undefined"}`);
}

/** @type {(share: number) => string} */
const percent = (share) => `${short(100 * Number(share.toPrecision(2)))}\u00a0%`;

/** @param {InputState["patches"]} patches @param {number[] | null} shares
 * @returns {string} */
const aboutInput = (patches, shares) => (shares
  ? "Of white noise all nine eigenvalues are alike, R is a multiple of the identity, and orthogonal kernels have " +
    `orthogonal maps. Here the largest has ${percent(shares[0])} of the power, the smallest ${percent(shares[8])}.`
  : `Undefined: R is zero, for the input ${patches === "raw" ? "is black" : "is constant, and so nothing is left without its mean"}. ` +
    "Choose another input.");

/** @param {View<"input">} view */
function inputView(view) {
  const controls = inputControls(view), eps = epsSlider(view);
  const panel = readoutPanel({ kernel_cosine: "Kernels: mean |cos|", map_cosine: "Maps: mean |cos|" }, ["kernel_cosine", "map_cosine"]);
  const picture = canvas(""), said = h("p", { class: "convsim-alive" });
  const [matrix, shares] = [1, 2].map(() => squareChart(view.draw));
  const [ofKernels, ofMaps] = [1, 2].map(() => squareChart(view.draw, 240));
  const all = Array.from({ length: COUNT }, (_, i) => [canvas(`Kernel K${i + 1}, 3 by 3 taps`), canvas(`Feature map F${i + 1}`)]);
  const table = h("div", { class: "convsim-matrix" }, ...[0, 1].flatMap((n) => all.map((pair) => pair[n].node)));
  table.style.setProperty("--convsim-columns", String(COUNT));
  /** @type {string} */
  let now;
  /** @type {ReturnType<typeof autocorrelated>} */
  let input;

  /** @param {InputState} s */
  function draw(s) {
    const next = JSON.stringify([s.input, s.patches, s.photograph, s.own]);
    if (next !== now) [now, input] = [next, autocorrelated(s)]; // changes less often than the kernels
    const { x, R } = input, solved = betweenBoth(s, input), readouts = solved?.readouts ?? NO_READOUTS;
    controls.draw(s);
    eps.draw(s);
    const sentence = panel.draw(readouts, () => 1);
    picture.node.setAttribute("aria-label", `Input X: ${PICTURES[s.input][0]}, ${x.h} by ${x.w} values`);
    paintSigned(picture, x, x.v.some((v) => v < 0));
    const peak = solved ? Math.max(...R.flat().map(Math.abs)) : 1; // else all that is left is rounding
    drawMatrix(matrix, R, peak, `R, 9 by 9: ${show(R[0][0])} on the diagonal`);
    drawEigenvalues(shares, readouts.eigenvalues);
    drawMatrix(ofKernels, readouts.kernel_gram, 1, `Cosines of the kernels: ${pairsOf(readouts.kernel_gram)}`);
    drawMatrix(ofMaps, readouts.map_gram, 1, `Cosines of the feature maps: ${pairsOf(readouts.map_gram)}`);
    const side = x.h - TAPS + 1;
    all.forEach(([kernel, map], i) => {
      paintSigned(kernel, { h: TAPS, w: TAPS, v: solved?.kernels[i] ?? new Float64Array(TAPS * TAPS) });
      paintSigned(map, { h: side, w: side, v: solved?.maps[i] ?? new Float64Array(side * side) });
    });
    said.textContent = aboutInput(s.patches, readouts.eigenvalues);
    said.classList.toggle("convsim-warning", !solved);
    return solved ? sentence : said.textContent;
  }

  const nodes = [
    ...controls.nodes,
    h("div", { class: "convsim-pictures" },
      figure(picture.node, h("strong", {}, "Input X")),
      figure(matrix.svg, h("strong", {}, "R"), "mean of u uᵀ, u a patch"),
      figure(shares.svg, h("strong", {}, "Eigenvalues of R"), "shares")),
    h("div", { class: "convsim-caption" }, "Matrices:", key("convsim-bg-positive", "positive"), key("convsim-bg-negative", "negative")),
    said,
    eps.node,
    effect(h("div", { class: "convsim-kernels convsim-twins" },
      figure(ofKernels.svg, h("strong", {}, "K Kᵀ"), "cosines of the kernels"),
      figure(ofMaps.svg, h("strong", {}, "K R Kᵀ"), "cosines of the feature maps")), panel.lead),
    figure(table, h("strong", {}, "Kernels, and their feature maps"),
      "mid-grey is 0, black below, white above; each on a scale of its own"),
  ];
  const stop = () => [matrix, shares, ofKernels, ofMaps].forEach((chart) => chart.stop());
  return { nodes, draw, stop, reset: controls.own.reset, receive: controls.own.receive };
}

/** Grey with 0 in the middle; without signs, from black at 0 to white at 1.
 * @param {ReturnType<typeof canvas>} on @param {Grid} grid @param {boolean} [signed] */
function paintSigned(on, grid, signed = true) {
  let most = 0;
  for (const v of grid.v) most = Math.max(most, Math.abs(v));
  on.paint(grid, signed ? (v) => 127.5 + (127.5 * v) / (most || 1) : (v) => 255 * v);
}

DRAWINGS.input = {
  title: "Kernels orthogonal, or maps?",
  about: "Four random kernels on their way from orthogonal kernels to orthogonal feature maps. The two matrices show the cosines of the kernels, and those of the maps that this input gives: seldom are both the identity at once.",
  compute: (state) => betweenBoth(state, autocorrelated(state))?.readouts ?? NO_READOUTS,
  build: inputView,
};
