/** The inputs X by name: a label, and the values.
 * @type {Record<States["similarity"]["input"], [string, (s: States["similarity"]) => number[]]>} */
const INPUTS = {
  noise: ["Uniform noise", (s) => uniformNoise(s.seed, s.photograph.length)],
  impulse: ["Impulse", (s) => s.photograph.map((_, n, { length }) => Number(n === length / 2))],
  step: ["Step", (s) => s.photograph.map((_, n, { length }) => Number(n >= length / 2))],
  sine: ["Sine", (s) => s.photograph.map((_, n) => Math.sin((2 * Math.PI * n) / 16))],
  constant: ["Constant", (s) => s.photograph.map(() => 1)],
  photograph: ["Row of a photograph", (s) => s.photograph],
  own: ["Row of your own picture", (s) => s.own],
};

/** @returns {(s: States["similarity"]) => ReturnType<typeof analyse> & { x: Grid }} */
const signalAnalyser = () => analyser(row, (s) => row(INPUTS[s.input][1](s)), ["input", "seed", "photograph", "own"]);

/** A picture of the reader's own, and the row of it that is X.
 * @param {View<"similarity">} view @param {() => void} halt what runs, which draws the state as it was */
function ownRow(view, halt) {
  const side = view.state().own.length, middle = side / 2, mark = h("span", { class: "convsim-frame", "aria-hidden": "true" });
  let at = middle, levels = "", sent = ""; // levels: the picture, sent: the row that was taken from it
  const take = () => {
    const values = [...decode(levels).v.slice(at * side, (at + 1) * side)];
    halt();
    sent = String(values);
    view.set({ input: "own", own: values });
  };
  const which = slider({ min: 0, max: side - 1 }, (value) => { at = value; take(); }), value = inline();
  const picture = ownPicture({ side, channels: 1, take: (text) => { levels = text; take(); } }, mark,
    field("Row of the picture that is X", which, value));

  /** @param {States["similarity"]} s */
  function draw(s) {
    // what came from elsewhere is a picture of one and the same row
    if (String(s.own) !== sent) [levels, sent] = [encode(s.own.map(() => s.own).flat().map((v) => 255 * v)), String(s.own)];
    picture.draw(s.input === "own", levels);
    follow(which, at);
    value.textContent = String(at);
    mark.style.cssText = `top: ${(100 * at) / side}%; height: ${100 / side}%; left: 0; right: 0`;
  }
  const reset = () => {
    at = middle;
    picture.reset();
  };
  return { ...picture, draw, reset };
}

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

/** The words of the front page, which come before any chapter. */
const FIRST_WORDS = {
  readouts: { kernel_cosine: "Kernels: cosine", feature_map_cosine: "Maps: |cosine|" },
  sum: { lag_0: "in place: ", other_lags: "+ moved: ", total: "= inner product of the maps: " },
  /** @type {LagWords} */
  lags: {
    caption: ["Why?", "Move K₂ along K₁, one place at a time; every move adds its share to the inner product:"],
    lag_0: "in place: all that orthogonality sees",
    others: "moved",
    look: "Look at move",
    ask: "Point at a bar, or choose a move, to see K₂ laid over K₁ there.",
    told: (n, cross, input, share) => `Moved by ${minus(n)}: the products of overlapping bars add up to ${cross}; times ` +
      `${input}, the product of the input with itself moved as far, that is ${share}.`,
  },
};

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
  const node = h("div", { class: "convsim-row" }, button("Make K₂ ⟂ K₁", orthogonalise), button("Randomise", randomise));
  return node;
}

/** @param {View<"similarity">} view */
function similarityView(view) {
  const { simple } = view.state(), analyse = signalAnalyser(), pair = kernelPair(view), { act, descent } = pair;
  const panel = simple ? mapsPanel(FIRST_WORDS.readouts, FIRST_WORDS.sum) : mapsPanel();
  const lags = lagPanel(view.draw, simple ? FIRST_WORDS.lags : LAG_WORDS);
  const input = select(view.traits.input.choices.map((name) => [name, INPUTS[name][0]]), (name) => act({ input: name }));
  const seed = seedInput(view.traits.seed, (value) => act({ seed: value })), seedField = field("Seed", seed);
  const buttons = kernelButtons(view, pair), story = storyButton(view, descent.halt);
  const own = ownRow(view, () => descent.halt(""));
  const signal = new Chart(72, view.draw, 8), maps = new Chart(140, view.draw);
  const phase = phasePortrait(view.draw);

  /** @param {States["similarity"]} s */
  function draw(s) {
    const analysed = analyse(s), { x, maps: [f1, f2], readouts } = analysed, last = f1.w - 1;
    pair.draw(s);
    phase.draw(descent.stepping(), s.kernel_1, s.kernel_2);
    input.value = s.input;
    own.draw(s);
    seedField.hidden = s.input !== "noise";
    follow(seed, s.seed);
    const sentence = panel.draw(analysed);

    signal.axes(0, last, ...roundRange(x.v));
    signal.bars("x", "convsim-fill-text", indexed(x.v), 0.5);
    signal.end(`Input X: ${INPUTS[s.input][0]}, ${x.w} values`);

    maps.axes(0, last, ...roundRange(f1.v, f2.v));
    maps.line("f1", "convsim-line-one", indexed(f1.v));
    maps.line("f2", "convsim-line-two", indexed(f2.v));
    maps.ticks([0, last]);
    maps.end(`Feature maps F1 and F2, ${last + 1} values each; ` +
      `their inner product is ${show(readouts.feature_map_similarity)}`);

    lags.draw(analysed, s.kernel_1, s.kernel_2);
    return sentence;
  }

  const seen = effect(
    figure(maps.svg, key("convsim-bg-one", "feature map F₁"), key("convsim-dash-two", "feature map F₂")), panel.lead, panel.sum);
  const settings = h("div", { class: "convsim-row" }, pair.taps, field("Input X", input), seedField);
  const shown = figure(signal.svg, key("convsim-bg-text", "input X"));
  if (simple) {
    buttons.prepend(story.node);
    buttons.append(descent.message);
  }
  const nodes = simple
    ? [pair.node, seen, buttons, ...lags.nodes, more("Other inputs, longer kernels", settings, own.node, shown), own.note]
    : [settings, own.node, own.note, pair.node, seen, buttons, ...lags.nodes, panel.node, ...descent.nodes, phase.node, shown];
  const stop = () => { story.stop(); descent.halt(""); [signal, maps, lags, phase].forEach((c) => c.stop()); };
  return { nodes, draw, stop, reset: () => { story.stop(); descent.halt(""); own.reset(); }, receive: own.receive };
}

DRAWINGS.similarity = {
  title: "Similarity explorer",
  about: "Two kernels slide along one input X and make two feature maps, F₁ and F₂. Drag a bar of a kernel: the number says how alike the maps are, and the bars of the lags where that comes from, K₁ ⋆ K₂ times X ⋆ X, lag by lag.",
  build: similarityView,
  consistent: ofOneSize,
  compute(state) {
    const { readouts, terms } = signalAnalyser()(state);
    return { ...readouts, lag_terms: terms };
  },
};
