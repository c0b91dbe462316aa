const FINE = 320; // points of the transform behind the curves: ticks fall on whole ones

const SPECTRAL_READOUTS = {
  convolutional_similarity: "L_CS = mean of p₁ p₂",
  normalized_similarity: "Normalised form",
  norm_1: "‖K₁‖",
  norm_2: "‖K₂‖",
};

/** p(ω) = |K̂(ω)|² at 0, 1/size, … 1/2 cycles per tap.
 * @param {number[]} kernel @param {number} size */
function powerSpectrum(kernel, size) {
  return Array.from({ length: size / 2 + 1 }, (_, n) => {
    let re = 0, im = 0;
    kernel.forEach((tap, i) => {
      const angle = (2 * Math.PI * n * i) / size;
      re += tap * Math.cos(angle);
      im += tap * Math.sin(angle);
    });
    return re * re + im * im;
  });
}

/** @param {{ kernel_1: number[], kernel_2: number[] }} kernels */
function spectralReadouts({ kernel_1: a, kernel_2: b }) {
  return {
    convolutional_similarity: LOSSES.convolutional_similarity.value(a, b),
    normalized_similarity: LOSSES.normalized.value(a, b),
    norm_1: norm(a),
    norm_2: norm(b),
  };
}

/** A cosine of so many cycles per tap under a Hann window. At 45° in the window's middle its
 * halves at ±frequency do not interfere, and it does not vanish at 0 or at 1/2.
 * @param {number} frequency @param {number} N @param {number} size */
function band(frequency, N, size) {
  const taps = Array.from({ length: N }, (_, n) => Math.sin((Math.PI * (n + 1)) / (N + 1)) ** 2 *
    Math.cos(2 * Math.PI * frequency * (n - (N - 1) / 2) + Math.PI / 4));
  return scaled(unit(taps), size);
}

/** Sets its kernel to a band; otherwise it stands where the kernel's spectrum is highest.
 * @param {0 | 1} which @param {number} largest tap that Python takes
 * @param {(like: (kernel: number[]) => number[]) => void} change of that kernel */
function bandControl(which, largest, change) {
  const label = `Band of K${"₁₂"[which]}, cycles per tap`, value = inline();
  const input = slider({ min: 0, max: 0.5, step: 0.01 }, () => change((kernel) => like(kernel.length, norm(kernel))));
  /** @param {number} N @param {number} size */
  const like = (N, size) => band(Number(input.value), N, Math.min(size, largest) || 1);
  /** @param {number[]} kernel */
  function is(kernel) {
    const size = norm(kernel), wanted = like(kernel.length, size);
    return kernel.length > 1 && kernel.every((tap, n) => Math.abs(tap - wanted[n]) < 1e-9 * size);
  }
  /** @param {number[]} kernel @param {number} N */
  const fit = (kernel, N) => (is(kernel) ? like(N, norm(kernel)) : resized(kernel, N));
  /** @param {number[]} kernel @param {number[]} p its spectrum */
  function draw(kernel, p) {
    const top = Math.max(...p), peak = p.indexOf(top) / FINE, flat = !(Math.min(...p) < (1 - 1e-9) * top);
    if (!is(kernel)) follow(input, peak);
    value.textContent = flat ? "flat" : is(kernel) ? `centre ${show(Number(input.value), 2)}` : `peak ${show(peak, 2)}`;
  }
  return { node: field(label, input, value), fit, draw };
}

/** Whether L_CS is small for a kernel's sake: [a sentence, whether to warn].
 * @param {{ norm_1: number, norm_2: number }} readouts
 * @returns {[string, boolean]} */
function life({ norm_1, norm_2 }) {
  const norms = [norm_1, norm_2], least = 0.02 * Math.max(1, ...norms);
  const names = (/** @type {number} */ low) => ["K₁", "K₂"].filter((_, i) => norms[i] <= low).join(" and ");
  if (names(0)) return [`Dead: ${names(0)} (every tap is zero). L_CS is exactly 0, the normalised form undefined.`, true];
  if (names(least)) {
    return [`Nearly dead: ${names(least)} (norm below ${short(least)}). L_CS is small for that alone; the ` +
      "normalised form compares shapes that leave hardly a trace.", true];
  }
  return ["Alive: both kernels. L_CS is then never 0, for two power spectra always overlap somewhere; " +
    "it falls as the bands part and as the kernels shrink.", false];
}

const TICKS = [0, 1, 2, 3, 4, 5].map((n) => (n * FINE) / 10);
/** @param {number} n */
const cycles = (n) => n / FINE;

/** @param {Chart} spectra @param {number[]} p1 @param {number[]} p2 */
function drawSpectra(spectra, p1, p2) {
  spectra.axes(0, FINE / 2, ...roundRange(p1, p2));
  spectra.line("p1", "convsim-line-one", indexed(p1));
  spectra.line("p2", "convsim-line-two", indexed(p2));
  spectra.ticks(TICKS, cycles);
  const highest = (/** @type {number[]} */ p) => show(cycles(p.indexOf(Math.max(...p))), 2);
  spectra.end("Power spectra over 0 to 0.5 cycles per tap: " +
    `p1 is highest at ${highest(p1)}, p2 at ${highest(p2)}`);
}

/** @param {Chart} product @param {number[]} p1 @param {number[]} p2 @param {number | null} mean */
function drawProduct(product, p1, p2, mean) {
  // as high as two coinciding peaks would be: the area sinks when the bands part
  product.axes(0, FINE / 2, ...roundRange([Math.max(...p1) * Math.max(...p2)]));
  product.area("product", "convsim-area", indexed(p1.map((p, n) => p * p2[n])));
  const level = product.y(mean ?? 0);
  product.put("mean", "line", { class: "convsim-mean",
    x1: product.x(0), x2: product.x(FINE / 2), y1: f(level), y2: f(level) });
  product.put("name", "text", { class: "convsim-tick convsim-strong", "text-anchor": "end",
    x: product.x(FINE / 2), y: f(level < 24 ? level + 15 : level - 6) }, `mean ${show(mean, undefined, 0)}`);
  product.ticks(TICKS, cycles);
  product.end(`Product of the power spectra; its mean, L CS, is ${show(mean, undefined, 0)}`);
}

/** Buttons that scale both kernels and say what that did.
 * @param {View<"spectrum">} view @param {ReturnType<typeof kernelPair>} pair */
function scaleControls(view, { act, descent }) {
  /** @param {number} by @param {string} times */
  function scale(by, times) {
    const s = view.state(), [kernel_1, kernel_2] = [scaled(s.kernel_1, by), scaled(s.kernel_2, by)];
    if (Math.max(...kernel_1, ...kernel_2) > view.traits.kernel_1.high) {
      return descent.halt("The taps would exceed one million.");
    }
    const before = spectralReadouts(s), after = spectralReadouts({ kernel_1, kernel_2 });
    act({ kernel_1, kernel_2 });
    descent.halt(`L_CS went from ${show(before.convolutional_similarity, undefined, 0)} to ` +
      `${show(after.convolutional_similarity, undefined, 0)}, ${times}; ` +
      `the normalised form is still ${show(after.normalized_similarity)}.`);
  }
  return h("div", { class: "convsim-row convsim-middle-row", role: "group", "aria-label": "Scale" },
    button("Halve both", () => scale(0.5, "a sixteenth")), button("Double both", () => scale(2, "sixteen times as much")),
    h("span", { class: "convsim-note" }, ...subscripted("Half the taps, a sixteenth of L_CS; the normalised form stays.")));
}

/** @param {View<"spectrum">} view */
function spectrumView(view) {
  const { seed: seeds, kernel_1: { high } } = view.traits, panel = readoutPanel(SPECTRAL_READOUTS, ["convolutional_similarity", "normalized_similarity"]);
  const bands = /** @type {const} */ (["kernel_1", "kernel_2"]).map((name, which) =>
    bandControl(/** @type {0 | 1} */ (which), high, (like) => pair.act({ [name]: like(view.state()[name]) })));
  const pair = kernelPair(view, (which, kernel, N) => bands[which].fit(kernel, N)), { act, descent } = pair;
  const seed = seedInput(seeds, randomise), alive = h("p", { class: "convsim-alive" });
  const spectra = new Chart(160, view.draw), product = new Chart(150, view.draw);
  pair.equalisers.forEach(({ node }, which) => node.append(bands[which].node));

  /** @param {number} seed */
  function randomise(seed) {
    const N = view.state().kernel_1.length, drawn = randomTaps(seed, 2 * N);
    act({ seed, kernel_1: drawn.slice(0, N), kernel_2: drawn.slice(N) });
  }

  /** @param {States["spectrum"]} s */
  function draw(s) {
    const readouts = spectralReadouts(s);
    const [p1, p2] = [s.kernel_1, s.kernel_2].map((kernel) => powerSpectrum(kernel, FINE));
    pair.draw(s);
    bands[0].draw(s.kernel_1, p1);
    bands[1].draw(s.kernel_2, p2);
    follow(seed, s.seed);
    const sentence = panel.draw(readouts, () => 0), [said, warn] = life(readouts);
    alive.replaceChildren(...subscripted(said));
    alive.classList.toggle("convsim-warning", warn);
    drawSpectra(spectra, p1, p2);
    drawProduct(product, p1, p2, readouts.convolutional_similarity);
    return warn ? `${sentence}. ${said.replace("_", " ")}` : sentence;
  }

  const nodes = [
    h("div", { class: "convsim-row" }, pair.taps, field("Random seed", seed),
      button("Randomise", () => randomise((view.state().seed + 1) % (seeds.high + 1)))),
    pair.node,
    effect(figure(spectra.svg, key("convsim-bg-one", "p₁ = |K̂₁|²"), key("convsim-dash-two", "p₂ = |K̂₂|²"),
      "over the frequency in cycles per tap"), panel.lead),
    alive,
    figure(product.svg, key("convsim-area-swatch", "p₁ p₂"),
      key("convsim-mean-swatch", h("span", {}, ...subscripted("its mean over the frequencies: L_CS")))),
    panel.node,
    scaleControls(view, pair),
    ...descent.nodes,
  ];
  const stop = () => { descent.halt(""); [spectra, product].forEach((c) => c.stop()); };
  return { nodes, draw, stop, reset: () => descent.halt("") };
}

DRAWINGS.spectrum = {
  title: "Spectrum explorer",
  about: "Two kernels and their power spectra: how much of each frequency a kernel lets through. The loss L_CS is the mean of the two curves' product, so it is small where one kernel is deaf to what the other hears.",
  build: spectrumView,
  consistent: ofOneSize,
  compute(state) {
    const { size } = EXPLORERS.spectrum.constants;
    const [spectrum_1, spectrum_2] = [state.kernel_1, state.kernel_2].map((k) => powerSpectrum(k, size));
    return { ...spectralReadouts(state), spectrum_1, spectrum_2 };
  },
};
