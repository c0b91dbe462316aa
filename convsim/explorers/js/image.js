/** @type {Record<number, number[]>} */
const BINOMIAL = { 3: [1, 2, 1], 5: [1, 4, 6, 4, 1] };
/** @type {Record<number, number[]>} */
const SLOPE = { 3: [-1, 0, 1], 5: [-1, -2, 0, 2, 1] };
/** @param {number[]} a @param {number[]} b */
const outer = (a, b) => a.map((p) => b.map((q) => p * q));
/** @param {number} n */
const smooth = (n) => outer(BINOMIAL[n], BINOMIAL[n]).map((r) => r.map((v) => v / 4 ** (n - 1)));

/** A wave at 45° under a bell, to two digits.
 * @param {number} n */
function gabor(n) {
  const middle = (n - 1) / 2;
  /** @param {number} i @param {number} j */
  const at = (i, j) => {
    const y = i - middle, x = j - middle, along = (x + y) / Math.SQRT2;
    return Math.exp(-(x * x + y * y) / (n - 1)) * Math.cos((2 * Math.PI * along) / (n - 1));
  };
  return BINOMIAL[n].map((_, i) => BINOMIAL[n].map((_, j) => Math.round(100 * at(i, j)) / 100));
}

/** @typedef {0 | 1} Which of both kernels */
/** Kernels of n rows by name.
 * @type {Record<string, (n: number, which: Which, seed: number) => number[][]>} */
const PRESETS = {
  "Sobel x": (n) => outer(BINOMIAL[n], SLOPE[n]),
  "Sobel y": (n) => outer(SLOPE[n], BINOMIAL[n]),
  Blur: smooth,
  Sharpen: (n) => smooth(n).map((r, i) => r.map((v, j) => (2 * i === n - 1 && 2 * j === n - 1 ? 2 : 0) - v)),
  Gabor: gabor,
  Random: (n, which, seed) => {
    const drawn = randomTaps(seed, 2 * n * n);
    return BINOMIAL[n].map((_, i) => drawn.slice(which * n * n + i * n, which * n * n + i * n + n));
  },
};

/** @typedef {"kernel_1" | "kernel_2"} KernelName */
/** @type {[KernelName, KernelName]} */
const KERNELS = ["kernel_1", "kernel_2"];

/** The name of the preset that a kernel is, or "".
 * @param {States["image"]} s @param {Which} which */
function presetOf(s, which) {
  const now = JSON.stringify(s[KERNELS[which]]), n = s.kernel_1.length;
  return Object.keys(PRESETS).find((name) => JSON.stringify(PRESETS[name](n, which, s.seed)) === now) ?? "";
}

/** Cut a square kernel, or pad it with zeros, on all sides.
 * @param {number[][]} kernel @param {number} n */
function resizedSquare(kernel, n) {
  const shift = (kernel.length - n) / 2;
  return BINOMIAL[n].map((_, i) => BINOMIAL[n].map((_, j) => kernel[i + shift]?.[j + shift] ?? 0));
}

/** A picture arrives as base64 of its grey levels; X is level / 255.
 * @param {string} base64
 * @returns {Grid} */
function decode(base64) {
  const v = Float64Array.from(atob(base64), (c) => c.charCodeAt(0) / 255), side = Math.sqrt(v.length);
  return { h: side, w: side, v };
}

/** @returns {(s: States["image"]) => ReturnType<typeof analyse> & { x: Grid }} */
const imageAnalyser = () => analyser(square, (s) => decode(s[s.input]), ["input", "photograph", "own"]);

/** A kernel as a table of numbers, and the presets that fill it.
 * @param {View<"image">} view @param {Which} which */
function kernelEditor(view, which) {
  const name = KERNELS[which], label = `K${which + 1}`, { low, high } = view.traits[name];
  /** @type {[string, string][]} */
  const options = [["", "Your own"], ...Object.keys(PRESETS).map((p) => /** @type {[string, string]} */ ([p, p]))];
  const preset = select(options, (chosen) => {
    const s = view.state();
    if (chosen) view.set({ [name]: PRESETS[chosen](s.kernel_1.length, which, s.seed) });
    else view.draw();
  });
  const grid = h("div", { class: "convsim-matrix" });
  /** @type {HTMLInputElement[]} */
  let inputs = [];
  /** @param {number} n */
  function make(n) {
    inputs = Array.from({ length: n * n }, (_, at) => {
      const i = Math.floor(at / n), j = at % n, cell = `${label} row ${i} column ${j}`;
      const bounds = { step: "any", min: low, max: high, required: true, "aria-label": cell };
      return numberInput(bounds, (value) => {
        const kernel = view.state()[name].map((r) => r.slice());
        kernel[i][j] = value;
        view.set({ [name]: kernel });
      });
    });
    grid.style.setProperty("--convsim-columns", String(n));
    grid.replaceChildren(...inputs);
  }
  const className = `convsim-editor ${which ? "convsim-two" : "convsim-one"}`;
  const node = h("div", { class: className, role: "group", "aria-label": `Kernel ${label}` },
    field(which ? "Kernel K₂" : "Kernel K₁", preset), grid);
  /** @param {States["image"]} s */
  function draw(s) {
    const values = s[name].flat();
    if (values.length !== inputs.length) make(s[name].length);
    values.forEach((value, i) => follow(inputs[i], value));
    preset.value = presetOf(s, which);
  }
  return { node, draw };
}

/** A grid as grey pixels, once the painter is told which value is which grey.
 * @param {string} label */
function canvas(label) {
  const node = h("canvas", { class: "convsim-canvas", role: "img", "aria-label": label, width: 1, height: 1 });
  const context = /** @type {CanvasRenderingContext2D} */ (node.getContext("2d"));
  /** @param {Grid} grid @param {(v: number) => number} grey */
  function paint({ h: height, w, v }, grey) {
    if (node.width !== w) [node.width, node.height] = [w, height];
    const image = context.createImageData(w, height), pixels = new Uint32Array(image.data.buffer);
    for (let i = 0; i < v.length; i++) pixels[i] = 0xff000000 | (Math.round(grey(v[i])) * 0x010101);
    context.putImageData(image, 0, 0);
  }
  return { node, paint };
}

/** Eq. 11 as coloured cells, one a lag.
 * @param {Chart} heat @param {number} n rows of a kernel @param {number[]} terms @param {number} peak
 * @param {Readouts} readouts */
function drawHeat(heat, n, terms, peak, readouts) {
  const w = 2 * n - 1, cell = Math.min(44, (heat.width - 40) / w, (heat.height - 30) / w);
  const x0 = (heat.width - w * cell) / 2, y0 = 6;
  heat.begin();
  terms.forEach((term, at) => heat.put(`cell${at}`, "rect", {
    class: term < 0 ? "convsim-negative" : "convsim-positive",
    x: f(x0 + (at % w) * cell + 1), y: f(y0 + Math.floor(at / w) * cell + 1),
    width: f(cell - 2), height: f(cell - 2), rx: 3, "fill-opacity": f(Math.abs(term) / peak),
  }));
  heat.put("middle", "rect", { class: "convsim-middle", x: f(x0 + (n - 1) * cell), y: f(y0 + (n - 1) * cell),
    width: f(cell), height: f(cell), rx: 4 });
  for (const lag of [1 - n, 0, n - 1]) {
    const along = (lag + n - 0.5) * cell;
    heat.put(`column${lag}`, "text", { class: "convsim-tick", "text-anchor": "middle",
      x: f(x0 + along), y: f(y0 + w * cell + 15) }, minus(lag));
    heat.put(`row${lag}`, "text", { class: "convsim-tick", "text-anchor": "end",
      x: f(x0 - 5), y: f(y0 + along + 4) }, minus(lag));
  }
  heat.end(`Eq. 11 on ${w} by ${w} lags: lag (0, 0) gives ${show(readouts.lag_0)}, ` +
    `the other lags ${show(readouts.other_lags)}; the largest size is ${show(peak)}`);
}

/** The inputs X by name.
 * @type {Record<States["image"]["input"], string>} */
const PHOTOS = { photograph: "Photograph", own: "Your own picture" };

/** The input, the size of both kernels, and the seed of the random ones.
 * @param {View<"image">} view */
function imageControls(view) {
  const sizes = view.traits.kernel_1.sizes.map((n) => /** @type {[string, string]} */ ([String(n), `${n} × ${n}`]));
  const size = select(sizes, (value) => {
    const s = view.state(), n = Number(value);
    /** @param {Which} which */
    const fit = (which) => {
      const name = presetOf(s, which);
      return name ? PRESETS[name](n, which, s.seed) : resizedSquare(s[KERNELS[which]], n);
    };
    view.set({ kernel_1: fit(0), kernel_2: fit(1) });
  });
  const seed = seedInput(view.traits.seed, (value) => {
    const s = view.state();
    /** @type {Partial<States["image"]>} */
    const patch = { seed: value };
    for (const which of /** @type {Which[]} */ ([0, 1])) {
      if (presetOf(s, which) === "Random") patch[KERNELS[which]] = PRESETS.Random(s.kernel_1.length, which, value);
    }
    view.set(patch);
  });
  const input = select(view.traits.input.choices.map((name) => [name, PHOTOS[name]]), (name) => view.set({ input: name }));
  const own = ownPicture({ side: 64, channels: 1, take: (levels) => view.set({ input: "own", own: levels }) });
  /** @param {States["image"]} s */
  const draw = (s) => {
    input.value = s.input;
    own.draw(s.input === "own", s.own);
    size.value = String(s.kernel_1.length);
    follow(seed, s.seed);
  };
  const settings = h("div", { class: "convsim-row" }, field("Input X", input), field("Size", size), field("Random seed", seed));
  return { nodes: [settings, own.node, own.note], draw, own };
}

/** @param {View<"image">} view */
function imageView(view) {
  const analyse = imageAnalyser(), panel = mapsPanel(), controls = imageControls(view);
  const editors = [kernelEditor(view, 0), kernelEditor(view, 1)];
  const photo = canvas("");
  const maps = [canvas("Feature map F1"), canvas("Feature map F2")];
  const scale = h("p", { class: "convsim-note" }), strength = h("span");
  const heat = new Chart(220, view.draw), spot = pixelSpot(maps, view.draw);

  /** @param {States["image"]} s */
  function draw(s) {
    const analysed = analyse(s), { x, maps: [f1, f2], terms, largest, readouts } = analysed;
    controls.draw(s);
    editors.forEach((e) => e.draw(s));
    const sentence = panel.draw(analysed);
    spot.draw(x, [f1, f2], [s.kernel_1, s.kernel_2]);
    let white = 0;
    for (const map of [f1, f2]) for (const v of map.v) white = Math.max(white, Math.abs(v));
    photo.node.setAttribute("aria-label", `Input X: ${PHOTOS[s.input]}, 64 by 64 grey values`);
    photo.paint(x, (v) => 255 * v);
    maps[0].paint(f1, (v) => 127.5 + (127.5 * v) / (white || 1));
    maps[1].paint(f2, (v) => 127.5 + (127.5 * v) / (white || 1));
    scale.textContent = "Both feature maps share one scale: " +
      `black is ${show(-white)}, mid-grey is 0, white is ${show(white)}.`;
    const peak = largest || 1;
    strength.textContent = `full colour: ±${show(peak)}`;
    drawHeat(heat, s.kernel_1.length, terms, peak, readouts);
    return sentence;
  }

  const nodes = [
    ...controls.nodes,
    h("div", { class: "convsim-kernels" }, ...editors.map((e) => e.node)),
    effect(
      h("div", { class: "convsim-pictures" },
        figure(marked(photo.node, spot.marks[0]), "input X"),
        figure(marked(maps[0].node, spot.marks[1]), key("convsim-bg-one", "map F₁")),
        figure(marked(maps[1].node, spot.marks[2]), key("convsim-bg-two", "map F₂"))),
      panel.lead, panel.sum),
    spot.node,
    scale,
    panel.node,
    figure(heat.svg, h("strong", {}, "Eq. 11"), "(K₁ ⋆ K₂)[n] · (X ⋆ X)[n], one cell per lag:",
      key("convsim-bg-positive", "positive"), key("convsim-bg-negative", "negative"),
      key("convsim-middle-swatch", "lag (0, 0)"), strength),
  ];
  return { nodes, draw, stop: () => heat.stop(), reset: controls.own.reset, receive: controls.own.receive };
}

DRAWINGS.image = {
  title: "Image explorer",
  about: "Two kernels, and the two feature maps that they make of one picture. Change a number of a kernel: the cosine says how alike the maps are, and the cells below add up, lag by lag, to their inner product.",
  build: imageView,
  consistent: ofOneSize,
  compute(state) {
    const { readouts, terms } = imageAnalyser()(state), w = 2 * state.kernel_1.length - 1;
    return { ...readouts, lag_terms: Array.from({ length: w }, (_, i) => terms.slice(i * w, i * w + w)) };
  },
};
