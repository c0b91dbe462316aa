/** The inputs X by name: a label, and the values.
 * @type {Record<States["similarity"]["input"], [string, (s: States["similarity"]) => number[]]>} */
const INPUTS = {
  noise: ["Uniform noise", (s) => uniformNoise(s.seed, s.photograph.length)],
  impulse: ["Impulse", (s) => s.photograph.map((_, n, { length }) => Number(n === length / 2))],
  step: ["Step", (s) => s.photograph.map((_, n, { length }) => Number(n >= length / 2))],
  sine: ["Sine", (s) => s.photograph.map((_, n) => Math.sin((2 * Math.PI * n) / 16))],
  constant: ["Constant", (s) => s.photograph.map(() => 1)],
  photograph: ["Row of a photograph", (s) => s.photograph],
};

/** @returns {(s: States["similarity"]) => ReturnType<typeof analyse> & { x: Grid }} */
const signalAnalyser = () => analyser(row, (s) => row(INPUTS[s.input][1](s)), ["input", "seed", "photograph"]);

/** What is left of b without its part along a.
 * @param {number[]} a @param {number[]} b */
function orthogonalTo(a, b) {
  const norm = dot(a, a);
  for (let pass = 0; pass < 2; pass++) { // the second pass removes what rounding left
    const share = dot(a, b) / norm;
    b = b.map((tap, n) => tap - share * a[n]);
  }
  return b;
}

/** Eq. 11 as bars, one a lag, and their running sum.
 * @param {Chart} lags @param {number[]} terms @param {Readouts} readouts */
function drawLags(lags, terms, readouts) {
  let total = 0;
  const sums = terms.map((term) => (total += term));
  const last = terms.length - 1, middle = last / 2, others = indexed(terms).filter(([n]) => n !== middle);
  lags.axes(0, last, ...roundRange(terms, sums));
  lags.bars("others", "convsim-fill-other", others);
  lags.bars("lag0", "convsim-fill-lag0", [[middle, terms[middle]]]);
  lags.line("running", "convsim-line-text", indexed(sums));
  lags.dots("points", "convsim-fill-text", indexed(sums), 2);
  lags.dots("final", "convsim-final", [[last, total]], 5);
  lags.ticks(last > 0 ? [0, middle, last] : [0], (n) => n - middle);
  lags.end(`Eq. 11 as ${terms.length} bars: lag 0 gives ${show(readouts.lag_0)}, ` +
    `the other lags ${show(readouts.other_lags)}, together ${show(total)}`);
}

/** Buttons that make kernels: orthogonal ones, random ones.
 * @param {View<"similarity">} view @param {ReturnType<typeof kernelPair>} pair */
function kernelButtons(view, { act, descent }) {
  function orthogonalise() {
    const { kernel_1: a, kernel_2: b } = view.state();
    if (!(dot(a, a) > 0)) return descent.halt("K₁ is zero: every kernel is already orthogonal to it.");
    const left = orthogonalTo(a, b);
    act({ kernel_2: left });
    descent.halt(dot(left, left) > 1e-24 * dot(b, b)
      ? "K₂ is now orthogonal to K₁; the feature maps are another matter."
      : "K₂ was a multiple of K₁: what is left of it is zero.");
  }

  function randomise() {
    const draw = () => view.state().kernel_1.map(() => hundredths(Math.random()));
    act({ kernel_1: draw(), kernel_2: draw() });
  }
  return h("div", { class: "convsim-row" }, button("Make K₂ ⟂ K₁", orthogonalise), button("Randomise", randomise));
}

/** @param {View<"similarity">} view */
function similarityView(view) {
  const analyse = signalAnalyser(), panel = mapsPanel();
  const pair = kernelPair(view), { act, descent } = pair;
  const input = select(view.traits.input.choices.map((name) => [name, INPUTS[name][0]]), (name) => act({ input: name }));
  const seed = seedInput(view.traits.seed, (value) => act({ seed: value })), seedField = field("Seed", seed);
  const signal = new Chart(72, view.draw, 8), maps = new Chart(140, view.draw), lags = new Chart(190, view.draw);
  const phase = phasePortrait(view.draw);

  /** @param {States["similarity"]} s */
  function draw(s) {
    const { x, maps: [f1, f2], terms, largest, readouts } = analyse(s), last = f1.w - 1;
    pair.draw(s);
    phase.draw(descent.stepping(), s.kernel_1, s.kernel_2);
    input.value = s.input;
    seedField.hidden = s.input !== "noise";
    follow(seed, s.seed);
    const sentence = panel.draw(readouts, largest);

    signal.axes(0, last, ...roundRange(x.v));
    signal.bars("x", "convsim-fill-text", indexed(x.v), 0.5);
    signal.end(`Input X: ${INPUTS[s.input][0]}, ${x.w} values`);

    maps.axes(0, last, ...roundRange(f1.v, f2.v));
    maps.line("f1", "convsim-line-one", indexed(f1.v));
    maps.line("f2", "convsim-line-two", indexed(f2.v));
    maps.ticks([0, last]);
    maps.end(`Feature maps F1 and F2, ${last + 1} values each; ` +
      `their inner product is ${show(readouts.feature_map_similarity)}`);

    drawLags(lags, terms, readouts);
    return sentence;
  }

  const nodes = [
    h("div", { class: "convsim-row" }, pair.taps, field("Input X", input), seedField),
    pair.node,
    kernelButtons(view, pair),
    ...descent.nodes,
    panel.node,
    phase.node,
    figure(signal.svg, key("convsim-bg-text", "input X")),
    figure(maps.svg, key("convsim-bg-one", "feature map F₁"), key("convsim-dash-two", "feature map F₂")),
    figure(lags.svg, h("strong", {}, "Eq. 11"), "(K₁ ⋆ K₂)[n] · (X ⋆ X)[n], lag by lag:",
      key("convsim-bg-lag0", "lag 0"), key("convsim-bg-other", "other lags"),
      key("convsim-final-swatch", "running sum, up to ⟨F₁, F₂⟩")),
    panel.sum,
  ];
  const stop = () => { descent.halt(""); [signal, maps, lags, phase].forEach((c) => c.stop()); };
  return { nodes, draw, stop, reset: () => descent.halt("") };
}

DRAWINGS.similarity = {
  title: "Similarity explorer",
  build: similarityView,
  consistent: ofOneSize,
  compute(state) {
    const { readouts, terms } = signalAnalyser()(state);
    return { ...readouts, lag_terms: terms };
  },
};
