const BANDS = EXPLORERS.bands, { kernels: BAND_COUNT } = BANDS.constants, SPECTRUM_SIDE = 33;

/** @typedef {States["bands"]} BandsState */

/** How the kernels share the frequencies, in words.
 * @type {Record<BandsState["spread"], string>} */
const BAND_SPREADS = { random: "one each, at random", even: "one each, evenly", same: "one for all" };
/** Parts of the square of frequencies: words, and shares of its area from the middle outward.
 * @type {Record<BandsState["part"], [string, number, number]>} */
const BAND_PARTS = { everywhere: ["everywhere", 0, 1], low: ["the low half", 0, 0.5], high: ["the high half", 0.5, 1] };

/** Across and down, in radians per tap.
 * @param {BandsState} s
 * @returns {Point[]} */
function bandFrequencies({ seed, spread, part }) {
  const drawn = uniformNoise(seed, 2 * BAND_COUNT), [, nearest, farthest] = BAND_PARTS[part];
  return Array.from({ length: BAND_COUNT }, (_, i) => {
    const from = spread === "random" ? 2 * i : 0, step = spread === "even" ? i / BAND_COUNT : 0;
    const across = 2 * Math.PI * ((drawn[from] + step) % 1) - Math.PI;
    const down = Math.PI * ((drawn[from + 1] + BANDS.constants.stride * step) % 1);
    if (part === "everywhere") return [across, down];
    const share = (Math.max(Math.abs(across), down) / Math.PI) ** 2;
    const by = Math.sqrt(nearest / Math.max(share, Number.MIN_VALUE) + farthest - nearest);
    return [by * across, by * down];
  });
}

/** @param {number[][]} A @param {number[][]} B */
const product = (A, B) => A.map((r) => B[0].map((_, j) => r.reduce((sum, v, k) => sum + v * B[k][j], 0)));

/** The kernels, rows after rows, at norm 1.
 * @param {BandsState} s @param {Point[]} frequencies */
function bandKernels({ seed, taps: n, width }, frequencies) {
  const count = 2 * BAND_COUNT * n * n, noise = uniformNoise(seed, 2 * BAND_COUNT + 2 * count).slice(2 * BAND_COUNT);
  const normal = noise.slice(0, count).map((v, k) =>
    Math.sqrt(-2 * Math.log1p(-v)) * Math.cos(2 * Math.PI * noise[count + k]));
  const places = Array.from({ length: n }, (_, i) => i);
  const { values, vectors } = eigen(places.map((i) => places.map((j) => Math.exp(-((width * (i - j)) ** 2) / 2))));
  const roots = values.map((v) => (v > BANDS.constants.least_root ? Math.sqrt(v) : 0));
  const root = places.map((i) => places.map((j) => vectors.reduce((sum, u, k) => sum + roots[k] * u[i] * u[j], 0)));
  /** @param {number} which */
  const wandering = (which) => product(root, product(places.map((i) =>
    normal.slice((which * n + i) * n, (which * n + i + 1) * n)), root));
  return frequencies.map(([across, down], k) => {
    const u = wandering(k), v = wandering(BAND_COUNT + k);
    return unit(places.flatMap((i) => places.map((j) => {
      const phase = across * j + down * i;
      return u[i][j] * Math.cos(phase) + v[i][j] * Math.sin(phase);
    })));
  });
}

/** Pairs of taps at each lag, less where the wave wanders.
 * @param {BandsState} s */
const bandLine = ({ taps, width }) => Array.from({ length: 2 * taps - 1 }, (_, k) => {
  const lag = k + 1 - taps;
  return (taps - Math.abs(lag)) * Math.exp(-((width * lag) ** 2) / 2);
});

/** Autocorrelations of the bands, as many channels have them, 1 at lag 0.
 * @param {BandsState} s @param {Point[]} frequencies */
function bandAutocorrelations(s, frequencies) {
  const line = bandLine(s), n = s.taps;
  return frequencies.map(([across, down]) => line.flatMap((a, i) => line.map((b, j) =>
    (a * b * Math.cos(down * (i + 1 - n) + across * (j + 1 - n))) / n ** 2)));
}

/** The spectrum of a band on a square of frequencies from −π to π.
 * @param {number[]} line @param {Point} frequency
 * @returns {Grid} */
function bandSpectrum(line, [across, down]) {
  const n = (line.length + 1) / 2, steps = Array.from({ length: SPECTRUM_SIDE }, (_, k) => (2 * k / (SPECTRUM_SIDE - 1) - 1) * Math.PI);
  /** @param {number} at */
  const along = (at) => line.reduce((sum, v, k) => sum + v * Math.cos(at * (k + 1 - n)), 0);
  /** @param {number} sign @param {number} to */
  const seen = (sign, to) => steps.map((at) => along(at - sign * to));
  const [right, left, below, above] = [seen(1, across), seen(-1, across), seen(1, down), seen(-1, down)];
  const v = steps.flatMap((_, i) => steps.map((__, j) => (below[i] * right[j] + above[i] * left[j]) / 2 / n ** 2));
  return { h: SPECTRUM_SIDE, w: SPECTRUM_SIDE, v };
}

/** What a kernel answers to the photograph, where it lies inside, less the mean.
 * @param {Grid} x @param {number[]} kernel @param {number} n */
function bandMap(x, kernel, n) {
  const side = x.w - n + 1, v = new Float64Array(side * side);
  kernel.forEach((tap, k) => {
    const from = Math.floor(k / n) * x.w + (k % n);
    for (let i = 0; i < side; i++) for (let j = 0; j < side; j++) v[i * side + j] += tap * x.v[from + i * x.w + j];
  });
  return { h: side, w: side, v: centred(v) };
}

/** @param {Float64Array} values */
function centred(values) {
  const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
  return values.map((v) => v - mean);
}

/** @param {BandsState} s */
function bandsOf(s) {
  const frequencies = bandFrequencies(s), kernels = bandKernels(s, frequencies), n = s.taps;
  const photo = decode(s.photograph), x = { ...photo, v: centred(Float64Array.from(photo.v)) };
  const maps = kernels.map((kernel) => bandMap(x, kernel, n));
  const expected = bandAutocorrelations(s, frequencies);
  const drawn = kernels.map((v) => [...autocorrelate({ h: n, w: n, v }, n - 1, n - 1).v]);
  const power = maps.map(({ v }) => dot(v, v) / v.length);
  return { frequencies, kernels, maps, photo, readouts: {
    expected_similarity: cosinesOf(expected).signed,
    similarity: cosinesOf(drawn).signed,
    concentration: expected.reduce((sum, a) => sum + dot(a, a), 0) / BAND_COUNT,
    map_cosine: Math.min(...power) < BANDS.constants.least_power ? null : cosinesOf(maps.map(({ v }) => v)).mean,
    frequencies,
  } };
}

/** @param {BandsState} s @param {Readouts} readouts */
function aboutBands({ spread, width }, { expected_similarity: similarity }) {
  if (spread === "same") return "One band for all: whatever its width, the spectra coincide, and with many channels L̄ is 1.";
  if (width > 2) return "So wide that nothing is left of the bands: white noise, as the default start. The spectra are flat, and alike.";
  return `${width ? "Bands" : "Waves"} that ${spread === "even" ? "keep apart" : "lie where chance put them"}: ` +
    `with many channels L̄ is ${show(similarity, 2)}, without a descent and without data.`;
}

/** @param {View<"bands">} view */
function bandsControls(view) {
  const { spread: { choices }, part: { choices: parts }, width: widths, taps: sizes, seed: seeds } = view.traits;
  const spread = select(choices.map((name) => [name, BAND_SPREADS[name]]), (name) => view.set({ spread: name }));
  const part = select(parts.map((name) => [name, BAND_PARTS[name][0]]), (name) => view.set({ part: name }));
  const seed = seedInput(seeds, (value) => view.set({ seed: value }));
  const taps = slider({ min: sizes.low, max: sizes.high }, (value) => view.set({ taps: value })), size = inline();
  const width = slider({ min: 0, max: 100 }, (value) => view.set({ width: (widths.high * value) / 100 })), radians = inline();
  radians.style.minWidth = "8em"; // else the slider jumps under the hand
  /** @param {BandsState} s */
  function draw(s) {
    [spread.value, part.value] = [s.spread, s.part];
    follow(seed, s.seed);
    follow(taps, s.taps);
    follow(width, (100 * s.width) / widths.high);
    size.textContent = `${s.taps} × ${s.taps}`;
    radians.textContent = `σ = ${show(s.width, 2)} radians`;
    width.setAttribute("aria-valuetext", radians.textContent);
  }
  const nodes = [
    h("div", { class: "convsim-row" }, field("Frequencies", spread), field("Where", part), field("Kernel seed", seed),
      button("New kernels", () => view.set({ seed: (view.state().seed + 1) % (seeds.high + 1) }))),
    field("Width of the bands: waves on the left, noise on the right", width, radians),
    field("Taps", taps, size),
  ];
  return { nodes, draw };
}

/** @param {View<"bands">} view */
function bandsView(view) {
  const controls = bandsControls(view), said = h("p", { class: "convsim-alive" });
  const panel = readoutPanel({ expected_similarity: "L̄, many channels", similarity: "L̄, these kernels",
    concentration: "Concentration", map_cosine: "Maps: mean |cos|" }, ["expected_similarity", "map_cosine"]);
  const mean = canvas(""), photo = canvas("The photograph, 32 by 32 grey values");
  /** @type {((i: number) => string)[]} */
  const names = [(i) => `Kernel K${i}, one grey value a tap`, (i) => `Spectrum p${i} over the square of frequencies`,
    (i) => `Feature map F${i} of the photograph`];
  const all = names.map((name) => Array.from({ length: BAND_COUNT }, (_, i) => canvas(name(i + 1))));
  const table = h("div", { class: "convsim-matrix" }, ...all.flat().map(({ node }) => node));
  table.style.cssText = `--convsim-columns: ${BAND_COUNT}; max-width: none`;

  /** @param {BandsState} s */
  function draw(s) {
    const { frequencies, kernels, maps, photo: x, readouts } = bandsOf(s), line = bandLine(s);
    const spectra = frequencies.map((at) => bandSpectrum(line, at));
    const total = { ...spectra[0], v: spectra[0].v.map((_, k) => spectra.reduce((sum, { v }) => sum + v[k], 0) / BAND_COUNT) };
    const white = Math.max(...spectra.flatMap(({ v }) => [...v]));
    controls.draw(s);
    const sentence = panel.draw(readouts, () => 1);
    photo.paint(x, (v) => 255 * v);
    mean.paint(total, (v) => Math.min(255, 127.5 * v));
    mean.node.setAttribute("aria-label", "Mean of the eight spectra over the square of frequencies: from " +
      `${show(Math.min(...total.v), 2)} to ${show(Math.max(...total.v), 2)}, 1 in the mean`);
    kernels.forEach((v, i) => {
      paintSigned(all[0][i], { h: s.taps, w: s.taps, v });
      all[1][i].paint(spectra[i], (p) => (255 * Math.max(0, p)) / white);
      paintSigned(all[2][i], maps[i]);
    });
    said.textContent = aboutBands(s, readouts);
    return `${sentence}. ${said.textContent}`;
  }

  const nodes = [
    ...controls.nodes,
    effect(figure(table, h("strong", {}, "Kernels, their spectra, their maps")), panel.lead),
    h("p", { class: "convsim-note" }, "Spectra as with many channels, all on one scale; maps less their mean, each kernel and map on a scale of its own."),
    said,
    panel.node,
    h("div", { class: "convsim-matrix", style: "--convsim-columns: 2; max-width: none" },
      figure(mean.node, h("strong", {}, "Mean of the spectra"), "from −π to π; mid-grey is 1, as of noise"),
      figure(photo.node, h("strong", {}, "The photograph"))),
  ];
  return { nodes, draw };
}

DRAWINGS.bands = {
  title: "Sharing the frequencies",
  about: "Eight kernels, each a band of frequencies around one of its own; below it its power spectrum, and the map that it makes of a photograph. The wider the bands, the more they overlap.",
  compute: (state) => bandsOf(state).readouts,
  build: bandsView,
};
