const { positions: POSITIONS, taps: CHANNEL_TAPS } = EXPLORERS.operators.constants;

/** @typedef {States["operators"]} OperatorsState */

const OPERATOR_READOUTS = {
  convolutional_similarity: "L_CS = ‖𝒦₁ᵀ𝒦₂‖²/N",
  ocnn_term: "OCNN: ‖𝒦₁𝒦₂ᵀ‖²/N",
  ocnn_share: "OCNN / L_CS",
  kernel_similarity: "⟨K₁, K₂⟩, lag 0",
  kernel_cosine: "cos(K₁, K₂)",
};

/** Pairs of kernels of three channels, by name.
 * @type {Record<string, (seed: number) => [number[], number[]]>} */
const OPERATOR_PAIRS = {
  "Random taps": (seed) => halves(randomTaps(seed, 18)),
  "Orthogonal kernels": () => // a blur and a slope in each channel
    [[0.5, 1, 0.5, 0.25, 0.5, 0.25, -0.5, -1, -0.5], [-1, 0, 1, 0.5, 0, -0.5, 0.75, 0, -0.75]],
  "Different channels": () => [[0.5, 1, -0.5, 0, 0, 0, 0, 0, 0], [0, 0, 0, 1, 0.5, 0.25, -0.75, 0.5, 1]],
  "Channels that cancel": () => // a ⋆ b = b ⋆ a, for both are symmetric
    [[0.5, 1, 0.5, -0.5, 1, -0.5, 0.75, 0, -0.75], [-0.5, 1, -0.5, -0.5, -1, -0.5, 0, 0, 0]],
};

/** @type {(taps: number[]) => [number[], number[]]} */
const halves = (taps) => [taps.slice(0, taps.length / 2), taps.slice(taps.length / 2)];

/** The name of the pair that both kernels are, or "".
 * @param {OperatorsState} s */
const pairNamed = ({ kernel_1, kernel_2, seed }) => Object.keys(OPERATOR_PAIRS)
  .find((name) => JSON.stringify(OPERATOR_PAIRS[name](seed)) === JSON.stringify([kernel_1, kernel_2])) ?? "";

/** A position on the circle.
 * @param {number} n */
const wrapped = (n) => (n + POSITIONS) % POSITIONS;

/** The matrix of a convolution with circular padding: C circulant blocks side by side.
 * @param {number[]} taps of C channels */
function blockCirculant(taps) {
  const across = (taps.length / CHANNEL_TAPS) * POSITIONS, before = (CHANNEL_TAPS - 1) / 2;
  return Array.from({ length: POSITIONS }, (_, n) => {
    const entries = new Array(across).fill(0);
    taps.forEach((tap, at) => {
      const t = at % CHANNEL_TAPS, c = (at - t) / CHANNEL_TAPS;
      entries[c * POSITIONS + wrapped(n + t - before)] = tap;
    });
    return entries;
  });
}

/** @param {number[][]} A @param {number[][]} B */
const timesTransposed = (A, B) => A.map((a) => B.map((b) => dot(a, b)));
/** @param {number[][]} A */
const transposed = (A) => A[0].map((_, j) => A.map((r) => r[j]));
/** ‖A‖² / N, the squared Frobenius norm per position.
 * @param {number[][]} A */
const perPosition = (A) => A.reduce((sum, r) => sum + dot(r, r), 0) / POSITIONS;

/** @param {OperatorsState} s */
function operatorReadouts({ kernel_1, kernel_2, channels }) {
  const [k1, k2] = [kernel_1, kernel_2].map((kernel) => kernel.slice(0, channels * CHANNEL_TAPS));
  const [A, B] = [k1, k2].map(blockCirculant);
  const first_transposed = timesTransposed(transposed(A), transposed(B)), second_transposed = timesTransposed(A, B);
  const similarity = perPosition(first_transposed), ocnn_term = perPosition(second_transposed);
  return {
    convolutional_similarity: similarity,
    ocnn_term,
    ocnn_share: similarity > 0 ? ocnn_term / similarity : null,
    kernel_similarity: dot(k1, k2),
    kernel_cosine: cosine(k1, k2),
    first_transposed,
    second_transposed,
  };
}

/** A product of circulant blocks: one mark for each lag of a block, and lines between blocks.
 * @param {Chart} chart @param {number[][]} rows @param {number} peak the size that has the full colour
 * @param {string} label @param {boolean} diagonal whether it is outlined */
function drawProductOf(chart, rows, peak, label, diagonal) {
  const side = chart.width, cell = side / rows.length, width = f(cell - 1), reach = CHANNEL_TAPS - 1;
  /** @param {number} lag @param {number} [top] @param {number} [left] */
  const squares = (lag, top = 0, left = 0) => Array.from({ length: POSITIONS }, (_, n) =>
    `M${f((left + wrapped(n + lag)) * cell + 0.5)} ${f((top + n) * cell + 0.5)}h${width}v${width}h${-width}z`).join("");
  /** @param {string} name @param {string} className @param {number} step */
  const lines = (name, className, step) => chart.put(name, "path", { class: className,
    d: rows.flatMap((_, n) => (n && n % step === 0 ? [`M0 ${f(n * cell)}H${side}M${f(n * cell)} 0V${side}`] : [])).join("") || "M0 0" });
  chart.begin();
  lines("grid", "convsim-grid", 1);
  for (let top = 0; top < rows.length; top += POSITIONS) {
    for (let left = 0; left < rows.length; left += POSITIONS) {
      for (let lag = -reach; lag <= reach; lag++) {
        const value = rows[top][left + wrapped(lag)], sign = value < 0 ? "two" : "one";
        chart.put(`block${top},${left},lag${lag}`, "path", { class: `convsim-fill-${sign}`,
          "fill-opacity": f(Math.abs(value) / peak), d: squares(lag, top, left) });
      }
    }
  }
  lines("blocks", "convsim-block", POSITIONS);
  if (diagonal) chart.put("diagonal", "path", { class: "convsim-middle", d: squares(0) });
  chart.end(label);
}

/** How both norms compare: [a sentence, whether to warn].
 * @param {number} channels @param {Readouts} readouts
 * @returns {[string, boolean]} */
function aboutNorms(channels, { ocnn_share: share }) {
  if (share === null) return ["A kernel is zero, and with it both products. There is nothing to compare.", true];
  if (channels === 1) {
    return ["Equal, as for all kernels of one channel: circulant matrices commute, and so " +
      "𝒦₁ᵀ𝒦₂ = 𝒦₂𝒦₁ᵀ, which is the transpose of 𝒦₁𝒦₂ᵀ.", false];
  }
  const sees = share < 1e-12 ? "0, and L_CS is not" : `${percent(share)} of L_CS`;
  return [`OCNN's term is ${sees}. It adds K₁[c] ⋆ K₂[c] over the channels before it squares; L_CS squares ` +
    "K₁[c] ⋆ K₂[c′] for every pair of channels, and is never less.", false];
}

/** @param {View<"operators">} view */
function operatorControls(view) {
  const { channels: counts, seed: seeds } = view.traits, count = inline();
  /** @param {string} name @param {Partial<OperatorsState>} [patch] */
  function choose(name, patch = {}) {
    const [kernel_1, kernel_2] = OPERATOR_PAIRS[name](patch.seed ?? view.state().seed);
    view.set({ kernel_1, kernel_2, ...patch });
  }
  const randomise = (/** @type {number} */ seed) => choose("Random taps", { seed });
  const names = ["", ...Object.keys(OPERATOR_PAIRS)];
  const pair = select(names.map((name) => [name, name || "Your own"]), (name) => {
    if (name) choose(name, { channels: counts.high });
    else view.draw();
  });
  const channels = slider({ min: counts.low, max: counts.high }, (C) => view.set({ channels: C }));
  const seed = seedInput(seeds, randomise);
  /** @param {OperatorsState} s */
  function draw(s) {
    pair.value = pairNamed(s);
    follow(channels, s.channels);
    count.textContent = `C = ${s.channels}`;
    follow(seed, s.seed);
  }
  const node = h("div", { class: "convsim-row" }, field("Kernels", pair), field("Channels", channels, count),
    field("Random seed", seed), button("Randomise", () => randomise((view.state().seed + 1) % (seeds.high + 1))));
  return { node, draw };
}

/** @param {View<"operators">} view */
function operatorsView(view) {
  const controls = operatorControls(view), panel = readoutPanel(OPERATOR_READOUTS, ["convolutional_similarity", "ocnn_term"]);
  const kernels = /** @type {const} */ (["kernel_1", "kernel_2"]).map((name, which) =>
    channelEqualisers(`K${which + 1}`, ["K₁", "K₂"][which], ["convsim-one", "convsim-two"][which], CHANNEL_TAPS, (n, value) =>
      view.set({ [name]: view.state()[name].map((tap, at) => (at === n ? value : tap)) })));
  const [left, right] = [1, 2].map(() => squareChart(view.draw));
  const size = h("span"), strength = h("span"), said = h("p", { class: "convsim-alive" });
  const sum = h("p", { class: "convsim-note" }, "The diagonal blocks of 𝒦₁ᵀ𝒦₂ add up to the transpose of 𝒦₁𝒦₂ᵀ.");

  /** @param {OperatorsState} s */
  function draw(s) {
    const r = operatorReadouts(s), { first_transposed: first, second_transposed: second } = r;
    controls.draw(s);
    [s.kernel_1, s.kernel_2].forEach((kernel, which) => kernels[which].draw(kernel.slice(0, s.channels * CHANNEL_TAPS)));
    /** @type {Record<string, number>} */
    const units = { convolutional_similarity: 0, ocnn_term: r.convolutional_similarity,
      kernel_similarity: dot(s.kernel_1.map(Math.abs), s.kernel_2.map(Math.abs)) };
    const sentence = panel.draw(r, (name) => units[name] ?? 1);
    const [text, warn] = aboutNorms(s.channels, r);
    said.replaceChildren(...subscripted(text));
    said.classList.toggle("convsim-warning", warn);
    const peak = Math.max(...[...first, ...second].flat().map(Math.abs)) || 1;
    size.textContent = `${first.length} × ${first.length}${s.channels > 1 ? ", a block for each pair of channels" : ""}`;
    sum.hidden = s.channels === 1;
    drawProductOf(left, first, peak, `K1 transposed times K2, ${first.length} by ${first.length}: ` +
      `squared norm per position ${show(r.convolutional_similarity)}`, false);
    drawProductOf(right, second, peak, `K1 times K2 transposed, ${POSITIONS} by ${POSITIONS}: ` +
      `squared norm per position ${show(r.ocnn_term, undefined, units.ocnn_term)}, ${show(r.kernel_similarity, undefined, units.kernel_similarity)} on the diagonal`, true);
    strength.textContent = `full colour: ±${show(peak)}`;
    return warn ? text : sentence;
  }

  const pictures = h("div", { class: "convsim-kernels convsim-twins" },
    figure(left.svg, h("strong", {}, "𝒦₁ᵀ𝒦₂"), size),
    figure(right.svg, h("strong", {}, "𝒦₁𝒦₂ᵀ"), `${POSITIONS} × ${POSITIONS}`, key("convsim-middle-swatch", "lag 0: ⟨K₁, K₂⟩")));
  pictures.style.alignItems = "end"; // under captions of one line or two
  const nodes = [
    controls.node,
    h("div", { class: "convsim-kernels" }, ...kernels.map((kernel) => kernel.node)),
    effect(pictures, panel.lead),
    h("div", { class: "convsim-caption" }, "Both:", key("convsim-bg-positive", "positive"),
      key("convsim-bg-negative", "negative"), strength),
    said,
    panel.node,
    sum,
  ];
  return { nodes, draw, stop: () => [left, right].forEach((chart) => chart.stop()) };
}

DRAWINGS.operators = {
  title: "Two kernels as operators",
  about: "Two kernels written as the matrices of their convolutions, and both products of the two. Drag a tap and see which entries light up: per position, the squares of one product add up to L_CS, those of the other to OCNN's term.",
  compute: operatorReadouts,
  build: operatorsView,
};
