/** @param {Optimiser} optimiser */
function normalizationLabels(optimiser) {
  const { times } = optimiser, rate = `${times > 1 ? `${short(times)} ` : ""}${rateOver(optimiser, "‖w‖")}`;
  return {
    norm_start: "‖w‖ at start",
    norm_end: "‖w‖ at end",
    rate_start: `${rate} at start`,
    rate_end: `${rate} at end`,
    loss_start: "Loss at start",
    loss_end: "Loss at end",
    turned: "Degrees turned",
    largest_gap: "Largest gap A – B",
  };
}

/** The mean logistic loss of one batch-normalised unit with weights w, and its gradient in w.
 * @param {number[][]} points @param {Point} w */
function normalizedUnit(points, w) {
  const mean = (/** @type {number[]} */ values) => values.reduce((sum, v) => sum + v, 0) / values.length;
  const response = points.map(([x1, x2]) => w[0] * x1 + w[1] * x2), middle = mean(response);
  const std = Math.sqrt(mean(response.map((v) => (v - middle) ** 2)));
  const z = response.map((v) => (v - middle) / std);
  const margins = points.map(([, , y], i) => y * z[i]);
  const slopes = points.map(([, , y], i) => -y / (1 + Math.exp(margins[i])));
  // mean and standard deviation depend on w, too: they take two parts out of the slopes
  const shift = mean(slopes), along = mean(slopes.map((slope, i) => slope * z[i]));
  const back = slopes.map((slope, i) => (slope - shift - along * z[i]) / std);
  return {
    loss: mean(margins.map((margin) => Math.log1p(Math.exp(-margin)))),
    gradient: [0, 1].map((k) => mean(back.map((b, i) => b * points[i][k]))),
  };
}

/** Every w of the descent, and its loss.
 * @param {States["normalization"]} s @param {number} radius @param {number} rate */
function normalizedDescent({ angle, steps, points, optimizer }, radius, rate) {
  /** @type {number[]} */
  const losses = [];
  const direction = OPTIMISERS[optimizer].begin();
  const path = [polar(radius, (angle * Math.PI) / 180)];
  for (;;) {
    const w = path[losses.length], { loss, gradient } = normalizedUnit(points, w);
    losses.push(loss);
    if (losses.length > steps) return { path, losses };
    const [d1, d2] = direction(gradient, w);
    path.push([w[0] - rate * d1, w[1] - rate * d2]);
  }
}

/** @param {States["normalization"]} s */
function normalizationReadouts(s) {
  const { scale, learning_rate: eta, steps } = s, run = normalizedDescent, optimiser = OPTIMISERS[s.optimizer];
  const { path, losses } = run(s, scale, eta), last = path[steps];
  const equivalent = run(s, 1, eta / scale ** optimiser.power).losses;
  const turns = path.slice(1).map((to, t) =>
    Math.atan2(path[t][0] * to[1] - path[t][1] * to[0], dot(path[t], to)));
  return {
    norm_start: norm(path[0]),
    norm_end: norm(last),
    rate_start: effectiveRate(optimiser, eta, norm(path[0])),
    rate_end: effectiveRate(optimiser, eta, norm(last)),
    loss_start: losses[0],
    loss_end: losses[steps],
    turned: (turns.reduce((sum, turn) => sum + turn, 0) * 180) / Math.PI,
    largest_gap: Math.max(...losses.map((loss, t) => Math.abs(loss - equivalent[t]))),
    path,
    losses,
    equivalent_losses: equivalent,
    unit_losses: run(s, 1, eta).losses,
  };
}

/** The optimisers by name.
 * @param {View<"normalization">} view */
function optimiserControl(view) {
  const names = view.traits.optimizer.choices;
  const node = select(names.map((name) => [name, OPTIMISERS[name].label]), (name) => view.set({ optimizer: name }));
  /** @param {States["normalization"]} s */
  const draw = (s) => { node.value = s.optimizer; };
  return { node: h("div", { class: "convsim-row" }, field("Optimiser", node)), draw };
}

/** The sliders of scale, angle, rate and steps.
 * @param {View<"normalization">} view */
function descentControls(view) {
  /** @typedef {[to: (v: number) => number, from: (v: number) => number, step: number]} Axis */
  /** @type {Axis} */
  const linear = [(v) => v, (v) => v, 1];
  /** @type {Axis} */
  const logarithmic = [Math.log10, (v) => Number((10 ** v).toPrecision(3)), 0.01];
  /** @param {"scale" | "angle" | "learning_rate" | "steps"} name @param {string} label
   * @param {(value: string) => string} tell @param {Axis} axis */
  const control = (name, label, tell, [to, from, step]) => {
    const { low, high } = view.traits[name], value = inline();
    const input = slider({ min: to(low), max: to(high), step }, (v) => view.set({ [name]: from(v) }));
    /** @param {States["normalization"]} s */
    const draw = (s) => {
      follow(input, to(s[name]));
      value.textContent = tell(short(s[name]));
      input.setAttribute("aria-valuetext", value.textContent); // not the logarithm
    };
    return { node: field(label, input, value), draw };
  };
  return [
    control("scale", "Start scale s = ‖w‖", (v) => `s = ${v}`, logarithmic),
    control("angle", "Start angle α", (v) => `α = ${v}°`, linear),
    control("learning_rate", "Learning rate η", (v) => `η = ${v}`, logarithmic),
    control("steps", "Steps", (v) => v, linear),
  ];
}

/** @typedef {ReturnType<typeof normalizationReadouts>} Descent */
/** @typedef {{ losses: number[], lowest: number, spread: number, best: number }} Ring */

/** @param {number} n half degrees */
const around = (n) => (n * Math.PI) / 360;

/** The loss in every half degree of direction.
 * @param {number[][]} points
 * @returns {Ring} */
function lossRing(points) {
  const losses = Array.from({ length: 720 }, (_, n) => normalizedUnit(points, polar(1, around(n))).loss);
  const lowest = Math.min(...losses);
  return { losses, lowest, spread: Math.max(...losses) - lowest, best: around(losses.indexOf(lowest)) };
}

const RISE = 30; // pixels between the lowest and the highest loss on the ring

/** The plane of w: its path, from the circle of its first norm, within that of its largest.
 * @param {Chart} plane @param {Descent} r @param {Ring} ring */
function drawPath(plane, r, { losses, lowest, spread, best }) {
  const centre = plane.width / 2, middle = plane.height / 2;
  const largest = Math.max(...r.path.map(norm)); // the last one, but for Adam
  const pixels = (Math.min(centre, middle) - RISE - 4) / largest;
  /** @param {string} name @param {number} radius @param {string} className */
  const circle = (name, radius, className) => plane.put(name, "circle",
    { class: className, cx: centre, cy: middle, r: f(pixels * radius) });
  plane.begin();
  plane.x = (v) => centre + pixels * v;
  plane.y = (v) => middle - pixels * v;
  plane.line("ring", "convsim-area", [...losses, losses[0]].map((loss, n) =>
    polar(largest + (RISE * (loss - lowest)) / spread / pixels, around(n))));
  circle("largest", largest, "convsim-hollow");
  circle("start", r.norm_start, "convsim-start");
  plane.line("best", "convsim-mean", [[0, 0], polar(largest, best)]);
  plane.line("path", "convsim-line-one", r.path);
  plane.dots("steps", "convsim-fill-one", r.path, 2.5);
  plane.dots("origin", "convsim-fill-other", [[0, 0]], 2.5);
  plane.dots("first", "convsim-fill-text", [r.path[0]], 4);
  plane.dots("last", "convsim-final", [r.path[r.path.length - 1]], 5);
  plane.end(`The path of w from norm ${show(r.norm_start)} to norm ${show(r.norm_end)}, turned by ` +
    `${show(r.turned)} degrees; the loss is lowest at ${show((best * 180) / Math.PI, 1)} degrees`);
  return largest;
}

/** The loss over the steps, from s with η, from 1 with the rate that makes it the same, and from 1 with η.
 * @param {Chart} curves @param {States["normalization"]} s @param {Descent} r @param {number} lowest */
function drawCurves(curves, s, r, lowest) {
  curves.axes(0, s.steps, ...roundRange(r.losses, r.unit_losses));
  const level = f(curves.y(lowest));
  curves.put("lowest", "line", { class: "convsim-mean",
    x1: curves.x(0), x2: curves.x(s.steps), y1: level, y2: level });
  curves.line("own", "convsim-line-wide", indexed(r.losses));
  curves.line("unit", "convsim-line-text", indexed(r.unit_losses));
  curves.line("equivalent", "convsim-line-two", indexed(r.equivalent_losses));
  curves.ticks([0, s.steps]);
  curves.end(`Loss over ${s.steps} steps: from ${show(r.loss_start)} to ${show(r.loss_end)}, and the same ` +
    `from scale 1 with rate ${show(s.learning_rate / s.scale ** OPTIMISERS[s.optimizer].power)}; from scale 1 with rate ${show(s.learning_rate)} ` +
    `to ${show(r.unit_losses[s.steps])}`);
}

/** @param {View<"normalization">} view */
function normalizationView(view) {
  const which = optimiserControl(view), controls = descentControls(view);
  const plane = new Chart(320, view.draw), curves = new Chart(220, view.draw), radii = h("span");
  const readouts = h("div"), lead = h("div"), equivalent = h("span"), about = h("p", { class: "convsim-note" });
  /** One for each optimiser, for its labels name the rate.
   * @type {{ [name in OptimiserName]?: ReturnType<typeof readoutPanel> }} */
  const panels = {};
  /** @type {Ring | undefined} */
  let ring;

  /** @param {States["normalization"]} s */
  function draw(s) {
    const r = normalizationReadouts(s), optimiser = OPTIMISERS[s.optimizer];
    const panel = (panels[s.optimizer] ??= readoutPanel(normalizationLabels(optimiser), ["norm_start", "loss_end"]));
    if (readouts.firstChild !== panel.node) {
      readouts.replaceChildren(panel.node);
      lead.replaceChildren(panel.lead);
    }
    ring ??= lossRing(s.points);
    const sentence = panel.draw(r, (name) => (name === "turned" ? 1 : 0));
    [which, ...controls].forEach((c) => c.draw(s));
    const largest = drawPath(plane, r, ring);
    radii.textContent = `circles: ‖w‖ = ${short(r.norm_start)} at start, at most ${short(largest)}`;
    equivalent.textContent = `B: from scale 1 with ${rateOver(optimiser, "s")}`;
    about.textContent = optimiser.about;
    drawCurves(curves, s, r, ring.lowest);
    return sentence;
  }

  const nodes = [
    which.node,
    h("div", { class: "convsim-kernels" }, ...controls.map((c) => c.node)),
    h("div", { class: "convsim-kernels" },
      figure(plane.svg, h("strong", {}, "The plane of w"), key("convsim-dot-text", "start"),
        key("convsim-final-swatch", "end"), key("convsim-mean-swatch", "best direction"),
        key("convsim-area-swatch", "loss in each direction"), radii),
      effect(figure(curves.svg, h("strong", {}, "Loss over the steps"),
        key("convsim-wide-swatch", "A: from scale s with η"), key("convsim-dash-two", equivalent),
        key("convsim-thin-swatch", "from scale 1 with η"), key("convsim-mean-swatch", "lowest")), lead)),
    readouts,
    about,
  ];
  return { nodes, draw, stop: () => [plane, curves].forEach((c) => c.stop()) };
}

DRAWINGS.normalization = {
  title: "Normalisation explorer",
  about: "One unit under batch normalisation, as training turns and stretches its two weights. Only their direction matters to the loss; their length sets how far a step turns them.",
  compute: normalizationReadouts,
  build: normalizationView,
};
