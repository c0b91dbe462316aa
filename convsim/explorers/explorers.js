/* The explorers of the book. One classic script for two homes: a page loads it from _static and it
 * mounts every div.convsim-explorer; a notebook gets it as the anywidget module of explorers.py.
 * It must stay free of import and export: browsers refuse modules in pages opened from disk. */
(() => {
  "use strict";

  // ---------------------------------------------------------------------------------------------
  // Arithmetic. A grid is { h, w, v }: h rows of w values in v. A signal is a grid with one row,
  // so that one function serves one and two dimensions.

  const row = (v) => ({ h: 1, w: v.length, v });
  const square = (rows) => ({ h: rows.length, w: rows.length, v: rows.flat() });

  function dot(a, b) {
    let sum = 0;
    for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
    return sum;
  }

  /** Full cross-correlation (Eq. 1b): entry (i, j) is lag (i − (k.h − 1), j − (k.w − 1)). */
  function correlate(x, k) {
    const h = x.h + k.h - 1, w = x.w + k.w - 1, v = new Float64Array(h * w);
    for (let i = 0; i < h; i++) {
      const top = i - k.h + 1;
      for (let a = Math.max(0, -top); a < k.h && top + a < x.h; a++) {
        for (let j = 0; j < w; j++) {
          const left = j - k.w + 1, end = Math.min(k.w, x.w - left);
          let sum = 0;
          for (let b = Math.max(0, -left); b < end; b++) {
            sum += x.v[(top + a) * x.w + left + b] * k.v[a * k.w + b];
          }
          v[i * w + j] += sum;
        }
      }
    }
    return { h, w, v };
  }

  /** X ⋆ X on the lags that a kernel correlated with its like can reach. */
  function autocorrelate(x, reachH, reachW) {
    const h = 2 * reachH + 1, w = 2 * reachW + 1, v = new Float64Array(h * w);
    for (let i = 0; i < h; i++) {
      for (let j = 0; j < w; j++) {
        const a = i - reachH, b = j - reachW;
        let sum = 0;
        for (let r = Math.max(0, a); r < Math.min(x.h, x.h + a); r++) {
          for (let c = Math.max(0, b); c < Math.min(x.w, x.w + b); c++) {
            sum += x.v[r * x.w + c] * x.v[(r - a) * x.w + c - b];
          }
        }
        v[i * w + j] = sum;
      }
    }
    return { h, w, v };
  }

  const norm = (k) => Math.hypot(...k);
  const unit = (k) => scaled(k, 1 / norm(k));
  const scaled = (k, by) => k.map((tap) => by * tap);
  /** The autocorrelation A = K ⋆ K of a kernel given as a list. */
  const own = (k) => autocorrelate(row(k), 0, k.length - 1).v;

  /** Undefined (null) when a kernel or a feature map is zero. */
  function cosine(a, b) {
    const norms = Math.sqrt(dot(a, a)) * Math.sqrt(dot(b, b));
    return norms > 0 ? dot(a, b) / norms : null;
  }

  /** p(ω) = |K̂(ω)|² at 0, 1/size, … 1/2 cycles per tap. */
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

  function spectralReadouts({ kernel_1: a, kernel_2: b }) {
    return {
      convolutional_similarity: LOSSES.convolutional_similarity.value(a, b),
      normalized_similarity: LOSSES.normalized.value(a, b),
      norm_1: norm(a),
      norm_2: norm(b),
    };
  }

  /** A cosine of so many cycles per tap under a Hann window. At 45° in the window's middle its
   * halves at ±frequency do not interfere, and it does not vanish at 0 or at 1/2. */
  function band(frequency, N, size) {
    const taps = Array.from({ length: N }, (_, n) => Math.sin((Math.PI * (n + 1)) / (N + 1)) ** 2 *
      Math.cos(2 * Math.PI * frequency * (n - (N - 1) / 2) + Math.PI / 4));
    return scaled(unit(taps), size);
  }

  /** The mean logistic loss of one batch-normalised unit with weights w, and its gradient in w. */
  function normalizedUnit(points, w) {
    const mean = (values) => values.reduce((sum, v) => sum + v, 0) / values.length;
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

  const polar = (radius, radians) => [radius * Math.cos(radians), radius * Math.sin(radians)];

  function normalizationReadouts({ scale, angle, learning_rate: eta, steps, points }) {
    const run = (radius, rate) => {
      const path = [polar(radius, (angle * Math.PI) / 180)], losses = [];
      for (;;) {
        const w = path[losses.length], { loss, gradient } = normalizedUnit(points, w);
        losses.push(loss);
        if (losses.length > steps) return { path, losses };
        path.push(w.map((v, k) => v - rate * gradient[k])); // never 0: w is no shorter than before
      }
    };
    const { path, losses } = run(scale, eta), last = path[steps];
    const equivalent = run(1, eta / scale ** 2).losses;
    const turns = path.slice(1).map((to, t) =>
      Math.atan2(path[t][0] * to[1] - path[t][1] * to[0], dot(path[t], to)));
    return {
      norm_start: norm(path[0]),
      norm_end: norm(last),
      rate_start: eta / dot(path[0], path[0]),
      rate_end: eta / dot(last, last),
      loss_start: losses[0],
      loss_end: losses[steps],
      turned: (turns.reduce((sum, turn) => sum + turn, 0) * 180) / Math.PI,
      largest_gap: Math.max(...losses.map((loss, t) => Math.abs(loss - equivalent[t]))),
      path,
      losses,
      equivalent_losses: equivalent,
      unit_losses: run(1, eta).losses,
    };
  }

  const SMALLEST_WEIGHT = 1e-10, SMALLEST_SIGMA = 1e-6; // as in Python

  /** z with K z = k on the rows and columns of `active` and 0 elsewhere, by Cholesky's
   * factorisation; null where K is singular there. */
  function solveOn(active, K, k) {
    const L = active.map(() => []), z = k.map(() => 0), n = active.length;
    for (let i = 0; i < n; i++) {
      for (let j = 0; j <= i; j++) {
        const rest = K[active[i]][active[j]] - dot(L[i].slice(0, j), L[j]);
        if (i === j && rest < 1e-14) return null;
        L[i][j] = i === j ? Math.sqrt(rest) : rest / L[j][j];
      }
    }
    const y = [];
    for (let i = 0; i < n; i++) y[i] = (k[active[i]] - dot(y, L[i])) / L[i][i];
    for (let i = n - 1; i >= 0; i--) {
      let rest = y[i];
      for (let j = i + 1; j < n; j++) rest -= L[j][i] * z[active[j]];
      z[active[i]] = rest / L[i][i];
    }
    return z;
  }

  /** θ ≥ 0 that minimises ½ θᵀ K θ − kᵀ θ: the exact active-set method of Lawson and Hanson. */
  function nonnegativeLeastSquares(K, k) {
    let theta = k.map(() => 0), active = [], refused = [];
    for (let round = 0; round < 100; round++) { // only rounding could keep it from an earlier end
      const gain = k.map((value, i) => value - dot(K[i], theta));
      const waiting = indices(k).filter((i) => gain[i] > 1e-13 && !active.includes(i) && !refused.includes(i));
      if (waiting.length === 0) break;
      const enters = waiting.reduce((best, i) => (gain[i] > gain[best] ? i : best));
      let trial = [...active, enters], z = solveOn(trial, K, k);
      if (z === null || z[enters] <= 0) { // as good as a combination of the others
        refused.push(enters);
        continue;
      }
      for (;;) { // go towards z; what reaches zero on the way leaves
        const falling = trial.filter((i) => z[i] <= 0);
        if (falling.length === 0) break;
        const shares = falling.map((i) => theta[i] / (theta[i] - z[i])), share = Math.min(...shares);
        const leaving = falling.filter((_, n) => shares[n] === share);
        theta = theta.map((t, i) => (leaving.includes(i) ? 0 : t + share * (z[i] - t)));
        trial = trial.filter((i) => !leaving.includes(i));
        z = solveOn(trial, K, k);
      }
      [theta, active, refused] = [z, trial, []];
    }
    return theta.map((t) => (t > SMALLEST_WEIGHT ? t : 0));
  }
  const indices = (list) => list.map((_, i) => i);

  const difference = (a, b) => [a[0] - b[0], a[1] - b[1]];
  const squaredDistance = (a, b) => { const d = difference(a, b); return dot(d, d); };

  /** NNK's readouts; which candidates are the k nearest, in order; and their kernel with q. */
  function nnkSolve({ query, candidates, k, sigma: wanted }) {
    const squares = candidates.map((point) => squaredDistance(point, query));
    const nearest = indices(squares).sort((i, j) => squares[i] - squares[j] || i - j).slice(0, k);
    const sigma = wanted || Math.sqrt(squares[nearest[nearest.length - 1]]) / 3;
    const readouts = { candidates_used: nearest.length, neighbors: null, error: null, sigma, weights: null };
    if (sigma < SMALLEST_SIGMA) return { readouts, nearest, similarity: null };
    const gaussian = (square) => Math.exp(-square / (2 * sigma * sigma));
    const similarity = squares.map(gaussian);
    // of candidates at one place only the first: the others would make K singular
    const chosen = nearest.filter((i, n) =>
      !nearest.slice(0, n).some((j) => squaredDistance(candidates[i], candidates[j]) === 0));
    const K = chosen.map((i) => chosen.map((j) => gaussian(squaredDistance(candidates[i], candidates[j]))));
    const target = chosen.map((i) => similarity[i]), theta = nonnegativeLeastSquares(K, target);
    const weights = squares.map(() => 0);
    chosen.forEach((i, n) => (weights[i] = theta[n]));
    readouts.neighbors = theta.filter((weight) => weight > 0).length;
    readouts.error = Math.max(0, 1 + theta.reduce((sum, t, n) => sum + t * (dot(K[n], theta) - 2 * target[n]), 0));
    readouts.weights = weights;
    return { readouts, nearest, similarity };
  }

  /** Positive where p lies before the border of x, the line through x at a right angle to x − q;
   * negative behind it. */
  const before = (p, x, q) => dot(difference(x, q), difference(x, p));

  /** The part of a convex polygon where an affine function of the point is not negative. */
  function clipped(polygon, height) {
    return polygon.flatMap((from, n) => {
      const to = polygon[(n + 1) % polygon.length], a = height(from), b = height(to);
      const kept = a >= 0 ? [from] : [];
      if (a < 0 !== b < 0) kept.push(from.map((v, c) => v + (a / (a - b)) * (to[c] - v)));
      return kept;
    });
  }

  /** Both sides of Eq. 11 for two kernels on an input whose autocorrelation is given. */
  function analyse(k1, k2, x, lags) {
    const maps = [correlate(x, k1), correlate(x, k2)];
    const cross = correlate(k1, k2);
    const terms = Array.from(cross.v, (value, n) => value * lags.v[n]);
    const middle = (terms.length - 1) / 2;
    const mapCosine = cosine(maps[0].v, maps[1].v);
    return {
      maps,
      terms,
      largest: Math.max(...terms.map(Math.abs)),
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

  /** The generator mulberry32 (Tommy Ettinger, public domain): numbers in [0, 1). */
  function uniformNoise(seed, length) {
    return Array.from({ length }, () => {
      seed = (seed + 0x6d2b79f5) | 0;
      let mixed = Math.imul(seed ^ (seed >>> 15), seed | 1);
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
    });
  }

  const randomTaps = (seed, count) => uniformNoise(seed, count).map(hundredths);
  /** From [0, 1) to −1, −0.99, … 1. */
  const hundredths = (v) => Math.round(200 * v - 100) / 100;

  const LENGTH = 64;
  const INPUTS = {
    noise: ["Uniform noise", (s) => uniformNoise(s.seed, LENGTH)],
    impulse: ["Impulse", () => each((n) => Number(n === LENGTH / 2))],
    step: ["Step", () => each((n) => Number(n >= LENGTH / 2))],
    sine: ["Sine", () => each((n) => Math.sin((2 * Math.PI * n) / 16))],
    constant: ["Constant", () => each(() => 1)],
    photograph: ["Row of a photograph", (s) => s.photograph],
  };
  const each = (value) => Array.from({ length: LENGTH }, (_, n) => value(n));

  /** The photograph arrives as base64 of its grey levels; X is level / 255. */
  function decode(base64) {
    return { h: LENGTH, w: LENGTH, v: Float64Array.from(atob(base64), (c) => c.charCodeAt(0) / 255) };
  }

  /** analyse() on a state; X and X ⋆ X change less often than the kernels and are remembered. */
  function analyser(grid, signal, depends) {
    let now, x, lags;
    return (s) => {
      const reach = s.kernel_1.length - 1, next = JSON.stringify([reach, ...depends.map((k) => s[k])]);
      if (next !== now) {
        [now, x] = [next, signal(s)];
        lags = autocorrelate(x, x.h > 1 ? reach : 0, reach);
      }
      return { x, ...analyse(grid(s.kernel_1), grid(s.kernel_2), x, lags) };
    };
  }
  const signalAnalyser = () => analyser(row, (s) => row(INPUTS[s.input][1](s)), ["input", "seed", "photograph"]);
  const imageAnalyser = () => analyser(square, (s) => decode(s.photograph), ["photograph"]);

  const MODES = ["full", "same", "valid"];

  /** Where each mode's output begins in the full one, and how long it is. */
  function extent(mode, M, N) {
    if (mode === "full") return [0, M + N - 1];
    return mode === "same" ? [(N - 1) >> 1, M] : [N - 1, M - N + 1];
  }

  /** The numbers of an explorer, with the keys of Python's readouts(). */
  function compute(kind, state) {
    if (kind === "correlation") {
      const [start, length] = extent(state.mode, state.signal.length, state.kernel.length);
      const full = correlate(row(state.signal), row(state.kernel)).v;
      const output = Array.from(full.subarray(start, start + length));
      return { output, output_length: length, value: output[Math.min(state.position, length - 1)] };
    }
    if (kind === "similarity") {
      const { readouts, terms } = signalAnalyser()(state);
      return { ...readouts, lag_terms: terms };
    }
    if (kind === "spectrum") {
      const [spectrum_1, spectrum_2] = [state.kernel_1, state.kernel_2].map((k) => powerSpectrum(k, 128));
      return { ...spectralReadouts(state), spectrum_1, spectrum_2 };
    }
    if (kind === "normalization") return normalizationReadouts(state);
    if (kind === "nnk") return nnkSolve(state).readouts;
    const { readouts, terms } = imageAnalyser()(state), w = 2 * state.kernel_1.length - 1;
    return { ...readouts, lag_terms: Array.from({ length: w }, (_, i) => terms.slice(i * w, i * w + w)) };
  }

  /** The symmetric Toeplitz matrix of some lags, times a kernel. */
  const toeplitz = (lags, a) =>
    a.map((_, i) => a.reduce((sum, tap, j) => sum + tap * lags[i - j + a.length - 1], 0));

  const LOSSES = { // gradient: with respect to a; held: of kernels at norm 1, and norms stay
    convolutional_similarity: {
      label: "Convolutional Similarity, ‖K₁ ⋆ K₂‖²",
      value: (a, b) => { const c = correlate(row(a), row(b)).v; return dot(c, c); },
      // ‖a ⋆ b‖² = ⟨a ⋆ a, b ⋆ b⟩ is quadratic in a, with the Toeplitz matrix of b ⋆ b
      gradient: (a, b) => scaled(toeplitz(own(b), a), 2),
    },
    kernel_similarity: {
      label: "Kernel similarity, ⟨K₁, K₂⟩²",
      value: (a, b) => dot(a, b) ** 2,
      gradient: (a, b) => scaled(b, 2 * dot(a, b)),
    },
    normalized: {
      label: "Normalised form, norms held",
      held: true,
      value: (a, b) => cosine(own(unit(a)), own(unit(b))),
      // A₂ without its part along A₁: the gradient is orthogonal to a, which only turns
      gradient: (a, b) => {
        const [A, B] = [own(a), own(b)], share = dot(A, B) / dot(A, A);
        return scaled(toeplitz(B.map((lag, n) => lag - share * A[n]), a), 2 / (norm(A) * norm(B)));
      },
    },
  };

  function descend({ kernel_1, kernel_2, loss, learning_rate: rate }) {
    const { gradient, held } = LOSSES[loss];
    const move = (kernel, other) => {
      const from = held ? unit(kernel) : kernel, slope = gradient(from, held ? unit(other) : other);
      const to = from.map((tap, i) => tap - rate * slope[i]);
      return held ? scaled(unit(to), norm(kernel)) : to;
    };
    return { kernel_1: move(kernel_1, kernel_2), kernel_2: move(kernel_2, kernel_1) };
  }

  // ---------------------------------------------------------------------------------------------
  // Elements

  const SVG = new Set(["svg", "path", "circle", "rect", "text", "line"]);

  function h(tag, attributes = {}, ...children) {
    const node = SVG.has(tag)
      ? document.createElementNS("http://www.w3.org/2000/svg", tag)
      : document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
      else if (value !== false && value !== undefined) node.setAttribute(name, value);
    }
    node.append(...children);
    return node;
  }

  const button = (text, onclick, extra = {}) =>
    h("button", { type: "button", class: "convsim-button", onclick, ...extra }, text);

  /** A control under its name; what follows it in `beside` is not part of the name. */
  function field(text, control, beside) {
    control.setAttribute("aria-label", text);
    return h("label", { class: "convsim-field" }, h("span", {}, text),
      beside ? h("span", { class: "convsim-pair" }, control, beside) : control);
  }

  const select = (options, onchange) =>
    h("select", { class: "convsim-input", onchange: (event) => onchange(event.target.value) },
      ...options.map(([value, text]) => h("option", { value }, text)));

  /** A number input that reports only numbers within its bounds and marks anything else. */
  function numberInput(attributes, oninput) {
    const input = h("input", {
      type: "number", class: "convsim-input", inputmode: "decimal", ...attributes,
      oninput: () => {
        const good = input.value !== "" && input.checkValidity();
        input.setAttribute("aria-invalid", String(!good));
        if (good) oninput(Number(input.value));
      },
    });
    return input;
  }

  const slider = (attributes, oninput) => {
    const input = h("input", { type: "range", class: "convsim-range", step: 1, ...attributes,
      oninput: () => oninput(Number(input.value)) });
    return input;
  };
  const inline = () => h("span", { class: "convsim-inline-value" });
  const tapsSlider = (oninput) => slider({ min: 1, max: 16 }, oninput);
  const seedInput = (oninput) => numberInput({ min: 0, max: 2 ** 32 - 1, step: 1, required: true }, oninput);

  /** Follow the state, but leave alone what the reader is typing. */
  function follow(input, value) {
    if (input.value !== "" && Number(input.value) === value) return;
    if (input === document.activeElement && input.type === "number" && input.value === "") return;
    input.value = value;
    input.removeAttribute("aria-invalid");
  }

  const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";

  /** A number as a reader wants it: about four digits, a true minus, no 1e-17 for zero. */
  function show(value, digits, unit = 1) {
    if (value === null) return "undefined";
    const size = Math.abs(value);
    if (size < 1e-12 * unit) return "0"; // what rounding leaves of zero among numbers of size unit
    if (digits === undefined && Number.isInteger(value) && size < 1e6) return minus(value);
    if (digits === undefined && (size < 1e-3 || size >= 1e6)) {
      const [mantissa, power] = value.toExponential(2).split("e");
      const raised = [...String(Math.abs(power))].map((d) => SUPERSCRIPTS[d]).join("");
      return `${minus(mantissa)} × 10${power < 0 ? "⁻" : ""}${raised}`;
    }
    const text = value.toFixed(digits ?? (size >= 1000 ? 1 : size >= 100 ? 2 : size >= 10 ? 3 : 4));
    return Number(text) === 0 ? text.replace("-", "") : minus(text);
  }
  const minus = (text) => String(text).replace("-", "−");
  /** A tick has room for six characters. */
  const short = (value) => {
    const round = Number(value.toPrecision(3)), size = Math.abs(round);
    return minus(size > 0 && (size < 1e-3 || size > 1e6) ? round.toExponential().replace("+", "") : round);
  };

  /** A range that holds zero and the values and ends on round numbers, so that it seldom moves. */
  function roundRange(...lists) {
    let low = 0, high = 0;
    for (const list of lists) {
      for (const v of list) { if (v < low) low = v; if (v > high) high = v; }
    }
    if (low === high) high = 1;
    const raw = (high - low) / 5, power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].find((s) => s * power >= raw) * power;
    return [Math.floor(low / step + 1e-9) * step, Math.ceil(high / step - 1e-9) * step];
  }

  /** A picture whose marks are made once and then moved: put(name, …) makes or updates a mark. */
  function chart(height, redraw, bottom = 20) {
    const marks = new Map();
    let used = new Set();
    const svg = h("svg", { class: "convsim-chart", role: "img", height });
    const plot = {
      svg, height, bottom, width: 640, left: 46, right: 14, top: 10,
      begin() {
        used = new Set();
      },
      axes(first, last, low, high) {
        plot.begin();
        const { left, right, top, bottom } = plot, across = plot.width - left - right;
        plot.step = across / Math.max(1, last - first + 1);
        plot.x = (n) => left + (n - first + 0.5) * plot.step;
        plot.y = (v) => top + ((high - v) / (high - low)) * (height - top - bottom);
        for (const [name, v] of [["low", low], ["zero", 0], ["high", high]]) {
          if (v === 0 && name !== "zero") continue;
          plot.put(`${name}-line`, "line", {
            class: name === "zero" ? "convsim-axis" : "convsim-grid",
            x1: left, x2: plot.width - right, y1: plot.y(v), y2: plot.y(v),
          });
          plot.put(`${name}-text`, "text",
            { class: "convsim-tick", x: left - 6, y: plot.y(v) + 4, "text-anchor": "end" }, short(v));
        }
      },
      put(name, tag, attributes, text) {
        let mark = marks.get(name);
        if (!mark) {
          mark = { node: h(tag), now: {} };
          marks.set(name, mark);
          svg.append(mark.node);
        }
        used.add(name);
        for (const [key, value] of Object.entries({ display: "inline", ...attributes })) {
          if (mark.now[key] !== value) mark.node.setAttribute(key, (mark.now[key] = value));
        }
        if (text !== undefined && mark.now.text !== text) mark.node.textContent = mark.now.text = text;
      },
      ticks(positions, name = String) {
        const y = height - 5;
        positions.forEach((n, i) => plot.put(`x${i}`, "text",
          { class: "convsim-tick", x: plot.x(n), y, "text-anchor": "middle" }, minus(name(n))));
      },
      end(label) {
        for (const [name, mark] of marks) {
          if (!used.has(name) && mark.now.display !== "none") {
            mark.node.setAttribute("display", (mark.now.display = "none"));
          }
        }
        svg.setAttribute("aria-label", label);
      },
      /** Bars from zero, as one path: [[n, value], …]. */
      bars(name, className, pairs, share = 0.7) {
        const half = Math.max(1, plot.step * share) / 2, zero = plot.y(0);
        const d = pairs.map(([n, v]) => {
          const x = plot.x(n), y = plot.y(v);
          return `M${f(x - half)} ${f(zero)}V${f(y)}H${f(x + half)}V${f(zero)}Z`;
        });
        plot.put(name, "path", { class: className, d: d.join("") || "M0 0" });
      },
      line(name, className, pairs) {
        const d = pairs.map(([n, v], i) => `${i ? "L" : "M"}${f(plot.x(n))} ${f(plot.y(v))}`);
        plot.put(name, "path", { class: className, d: d.join("") });
      },
      area(name, className, pairs) {
        const d = pairs.map(([n, v]) => `L${f(plot.x(n))} ${f(plot.y(v))}`).join("");
        const [first, last] = [pairs[0][0], pairs[pairs.length - 1][0]].map((n) => f(plot.x(n)));
        plot.put(name, "path", { class: className, d: `M${first} ${f(plot.y(0))}${d}V${f(plot.y(0))}Z` });
      },
      dots(name, className, pairs, r = 3) {
        const d = pairs.map(([n, v]) =>
          `M${f(plot.x(n) - r)} ${f(plot.y(v))}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0`);
        plot.put(name, "path", { class: className, d: d.join("") || "M0 0" });
      },
    };
    // real pixels rather than a scaled view box, so that type stays legible on a phone
    const observer = new ResizeObserver(() => {
      const width = Math.round(svg.clientWidth);
      if (width > 0 && width !== plot.width) { plot.width = width; redraw(); }
    });
    observer.observe(svg);
    plot.stop = () => observer.disconnect();
    return plot;
  }
  const f = (v) => Math.round(v * 100) / 100;
  const indexed = (values) => Array.from(values, (v, n) => [n, v]);

  const figure = (content, ...caption) =>
    h("div", { class: "convsim-figure", role: "group" },
      h("div", { class: "convsim-caption" }, ...caption), content);
  const key = (className, text) =>
    h("span", { class: "convsim-key" }, h("span", { class: `convsim-swatch ${className}` }), text);

  /** A kernel as a row of vertical sliders, like a graphic equaliser. */
  function equaliser(name, pretty, className, oninput) {
    const taps = h("div", { class: "convsim-taps" });
    const limits = ["high", "zero", "low"].map((c) => h("span", { class: `convsim-limit-${c}` }));
    const node = h("div", { class: `convsim-equaliser ${className}`, role: "group", "aria-label": name },
      h("div", { class: "convsim-caption" }, h("strong", {}, pretty)),
      h("div", { class: "convsim-limits", "aria-hidden": "true" }, ...limits), taps);
    const columns = [];
    let limit = 1.5;

    function add(n) {
      const input = h("input", {
        type: "range", class: "convsim-slider", min: -limit, max: limit, step: 0.01,
        "aria-label": `${name} tap ${n}`, "aria-orientation": "vertical",
        oninput: () => oninput(n, Number(input.value)),
      });
      const value = h("span", { class: "convsim-tap-value", "aria-hidden": "true" });
      const column = h("label", { class: "convsim-tap" }, input, value);
      columns.push({ column, input, value });
      taps.append(column);
    }

    function draw(kernel) {
      const largest = Math.max(...kernel.map(Math.abs));
      const wanted = largest <= 1.5 ? 1.5 : roundRange([largest])[1];
      while (columns.length < kernel.length) add(columns.length);
      while (columns.length > kernel.length) columns.pop().column.remove();
      if (wanted !== limit || limits[0].textContent === "") {
        limit = wanted;
        [limit, 0, -limit].forEach((v, i) => (limits[i].textContent = short(v)));
        for (const { input } of columns) [input.min, input.max] = [-limit, limit];
      }
      const few = kernel.length <= 8 ? kernel.length : Math.ceil(kernel.length / 2);
      taps.style.setProperty("--convsim-columns", kernel.length);
      taps.style.setProperty("--convsim-columns-narrow", few);
      kernel.forEach((tap, n) => {
        const column = columns[n], { input, value } = column, at = (tap + limit) / (2 * limit);
        if (column.tap === tap && column.limit === limit) return; // a drag moves one of 32
        Object.assign(column, { tap, limit });
        if (Number(input.value) !== tap) input.value = tap;
        input.style.setProperty("--convsim-from", Math.min(at, 0.5));
        input.style.setProperty("--convsim-to", Math.max(at, 0.5));
        value.textContent = show(tap, 2);
      });
    }
    return { node, draw };
  }

  const READOUTS = {
    kernel_similarity: "⟨K₁, K₂⟩",
    kernel_cosine: "cos(K₁, K₂)",
    feature_map_similarity: "⟨F₁, F₂⟩",
    feature_map_cosine: "|cos(F₁, F₂)|",
    convolutional_similarity: "L_CS = ‖K₁ ⋆ K₂‖²",
  };
  const SPECTRAL_READOUTS = {
    convolutional_similarity: "L_CS = mean of p₁ p₂",
    normalized_similarity: "Normalised form",
    norm_1: "‖K₁‖",
    norm_2: "‖K₂‖",
  };
  const NORMALIZATION_READOUTS = {
    norm_start: "‖w‖ at start",
    norm_end: "‖w‖ at end",
    rate_start: "η/‖w‖² at start",
    rate_end: "η/‖w‖² at end",
    loss_start: "Loss at start",
    loss_end: "Loss at end",
    turned: "Degrees turned",
    largest_gap: "Largest gap A – B",
  };

  const NNK_READOUTS = {
    candidates_used: "k-NN neighbours",
    neighbors: "NNK neighbours",
    error: "Error",
    sigma: "σ in use",
  };

  /** Tiles under their labels. The size of the numbers behind a readout tells zero from rounding. */
  function readoutPanel(labels) {
    const cells = {};
    const cell = (name, tag = "span", className = "convsim-value") =>
      (cells[name] = h(tag, { class: className, "data-readout": name }));
    const tiles = Object.entries(labels).map(([name, label]) =>
      h("div", { class: "convsim-tile" }, h("span", { class: "convsim-label" }, ...subscripted(label)), cell(name)));
    const node = h("div", { class: "convsim-readouts", role: "group", "aria-label": "Readouts" }, ...tiles);
    /** Show the numbers, and return the sentence to announce. */
    function draw(readouts, unitOf) {
      for (const [name, cell] of Object.entries(cells)) {
        cell.textContent = show(readouts[name], undefined, unitOf(name));
        cell.dataset.value = readouts[name];
      }
      return Object.entries(labels).map(([name, label]) =>
        `${label.replace("_", " ")}: ${cells[name].textContent}`).join("; ");
    }
    return { node, cell, draw };
  }

  /** The readouts of two feature maps, and Eq. 11 as a sum. */
  function mapsPanel() {
    const panel = readoutPanel(READOUTS), total = h("strong");
    const sum = h("p", { class: "convsim-sum" },
      h("span", {}, "lag 0: ", panel.cell("lag_0", "strong", "convsim-text-lag0")),
      h("span", {}, "+ other lags: ", panel.cell("other_lags", "strong", "")),
      h("span", {}, "= ⟨F₁, F₂⟩: ", total));
    /** The sums over lags are as exact as their largest term allows. */
    const overLags = ["feature_map_similarity", "lag_0", "other_lags"];
    function draw(readouts, largest) {
      const unitOf = (name) => (overLags.includes(name) ? Math.max(1, largest) : 1);
      total.textContent = show(readouts.feature_map_similarity, undefined, unitOf("lag_0"));
      return panel.draw(readouts, unitOf);
    }
    return { node: panel.node, sum, draw };
  }
  /** L_CS with a real subscript; the digits have subscript characters of their own. */
  const subscripted = (text) => text.split(/_(CS)/).map((part, i) => (i % 2 ? h("sub", {}, part) : part));

  // ---------------------------------------------------------------------------------------------
  // Views: build(view) returns { nodes, draw(state), stop? }; draw returns a sentence to announce.

  function correlationView(view) {
    const modes = h("span", { class: "convsim-pair" });
    const group = `convsim-mode-${Math.random()}`; // two explorers must not share one group
    const radios = MODES.map((mode) => {
      const input = h("input", { type: "radio", name: group, value: mode,
        onchange: () => view.set({ mode, position: inside({ ...view.state(), mode }) }) });
      modes.append(h("label", { class: "convsim-choice" }, input, mode));
      return input;
    });
    const inside = (s) => Math.min(s.position, extent(s.mode, s.signal.length, s.kernel.length)[1] - 1);
    const position = slider({ min: 0 }, (value) => view.set({ position: value })), where = inline();
    const taps = tapsSlider((N) => {
      const s = view.state(), kernel = resized(s.kernel, N);
      view.set({ kernel, position: inside({ ...s, kernel }) });
    });
    const count = inline();
    const kernel = equaliser("K", "Kernel K", "convsim-one", (n, value) => {
      const taps = view.state().kernel.slice();
      taps[n] = value;
      view.set({ kernel: taps });
    });
    const why = h("p", { class: "convsim-note" }), formula = h("p", { class: "convsim-sum" });
    const value = h("span", { class: "convsim-value", "data-readout": "value" });
    const over = chart(150, view.draw), products = chart(84, view.draw, 8), output = chart(140, view.draw);

    function draw(s) {
      const M = s.signal.length, N = s.kernel.length, result = compute("correlation", s);
      const [start, length] = extent(s.mode, M, N);
      const at = Math.min(s.position, length - 1), left = start + at - (N - 1);
      const touched = s.kernel.map((tap, j) => {
        const inside = left + j >= 0 && left + j < M;
        return { n: left + j, tap, x: inside ? s.signal[left + j] : 0 };
      });
      radios.forEach((radio) => (radio.checked = radio.value === s.mode));
      position.max = length - 1;
      follow(position, at);
      where.textContent = `n = ${at} of 0 … ${length - 1}`;
      taps.max = Math.min(16, M);
      follow(taps, N);
      count.textContent = `N = ${N}`;
      kernel.draw(s.kernel);
      const first = 1 - N, last = M + N - 2;

      over.axes(first, last, ...roundRange(s.signal, s.kernel));
      const roomy = (N - 1) * over.step > 26; // else the numbers at both ends of the padding collide
      const padding = [];
      for (let n = first; n <= last; n++) if (n < 0 || n >= M) padding.push([n, 0]);
      over.put("window", "rect", { class: "convsim-window", x: f(over.x(left) - over.step / 2),
        y: over.top - 4, width: f(N * over.step), height: over.height - over.top - over.bottom + 8, rx: 4 });
      over.bars("kernel", "convsim-fill-one", touched.map(({ n, tap }) => [n, tap]), 0.8);
      over.bars("stems", "convsim-fill-text", indexed(s.signal), 0.06);
      over.dots("signal", "convsim-fill-text", indexed(s.signal), Math.min(4, over.step * 0.4));
      over.dots("padding", "convsim-hollow", padding, Math.min(3, over.step * 0.3));
      over.ticks([...new Set(roomy ? [first, 0, M - 1, last] : [0, M - 1])]);
      over.end(`Signal of ${M} values with the kernel of ${N} taps over samples ${left} to ${left + N - 1}`);

      const parts = touched.map(({ n, tap, x }) => [n, tap * x]);
      products.axes(first, last, ...roundRange(parts.map(([, v]) => v)));
      products.bars("products", "convsim-fill-lag0", parts, 0.8);
      products.end(`Products under the kernel, with sum ${show(result.value)}`);

      output.axes(first, last, ...roundRange(result.output));
      output.bars("stems", "convsim-fill-two", indexed(result.output), 0.06);
      output.dots("values", "convsim-fill-two", indexed(result.output), Math.min(4, output.step * 0.4));
      output.dots("ring", "convsim-ring", [[at, result.value]], 7);
      output.ticks([0, length - 1].slice(0, length));
      output.end(`Output of ${length} values; at n = ${at} it is ${show(result.value)}`);

      value.textContent = show(result.value);
      value.dataset.value = result.value;
      const product = ({ tap, x }) => `(${short(x)})(${short(tap)})`;
      const sum = N <= 6 ? touched.map(product).join(" + ") : "sum of the products";
      formula.replaceChildren(`(X ⋆ K)[${at}] = ${sum} =`, value);
      why.textContent = {
        full: "Full: every place where the kernel touches the signal, with zeros beyond its ends. " +
          `M + N − 1 = ${M} + ${N} − 1 = ${length} values.`,
        same: `Same: the middle of the full output, as long as the signal. M = ${length} values.`,
        valid: "Valid: only the places where the kernel lies wholly on the signal, no zeros needed. " +
          `M − N + 1 = ${M} − ${N} + 1 = ${length} values.`,
      }[s.mode].replace(/ ([+−=]) /g, "\u00a0$1\u00a0"); // a sum stays on one line
      return `Output ${at} of ${length}: ${show(result.value)}`;
    }
    const nodes = [
      h("div", { class: "convsim-row" },
        h("div", { class: "convsim-field", role: "radiogroup", "aria-label": "Mode" }, h("span", {}, "Mode"), modes),
        field("Taps", taps, count)),
      kernel.node,
      field("Position", position, where),
      figure(over.svg, key("convsim-dot-text", "signal X"), key("convsim-hollow-swatch", "zero padding"),
        key("convsim-bg-one", "kernel K, over it")),
      figure(products.svg, key("convsim-bg-lag0", "products X · K"), "their sum is the output:"),
      formula,
      figure(output.svg, key("convsim-dot-two", "output X ⋆ K"), "value n stands under sample n"),
      why,
    ];
    return { nodes, draw, stop: () => [over, products, output].forEach((c) => c.stop()) };
  }

  const resized = (kernel, N) => Array.from({ length: N }, (_, n) => kernel[n] ?? 0);

  const UNDEFINED = "A kernel is zero, so the normalised form is undefined: there is nothing to descend.";

  /** Gradient descent on both kernels: one step, or a run that ends by itself. */
  function descentPanel(view, losses) {
    const change = (patch) => { halt(""); view.set(patch); };
    const loss = select(losses.map((name) => [name, LOSSES[name].label]), (name) => change({ loss: name }));
    const rate = numberInput({ min: 1e-6, max: 10, step: "any", required: true },
      (value) => change({ learning_rate: value }));
    const run = button("Run", () => (frame ? halt("Stopped.") : start()));
    const message = h("p", { class: "convsim-note", role: "status" });
    const lossOf = (s) => LOSSES[s.loss].value(s.kernel_1, s.kernel_2);
    let frame = 0;

    function halt(text) {
      cancelAnimationFrame(frame);
      frame = 0;
      run.textContent = "Run";
      message.setAttribute("aria-live", "polite");
      message.replaceChildren(...subscripted(text));
    }

    function oneStep() {
      const s = view.state(), before = lossOf(s);
      if (before === null) return halt(UNDEFINED);
      const next = descend(s), after = lossOf({ ...s, ...next });
      if (!(after < 1e12)) return halt("This step leads out of sight: choose a smaller step size.");
      view.set(next);
      halt(`One step: the loss went from ${show(before)} to ${show(after)}.`);
    }

    function start() {
      const from = view.state(), begin = lossOf(from);
      if (begin === null) return halt(UNDEFINED);
      const { held } = LOSSES[from.loss];
      const scale = held ? 1 : dot(from.kernel_1, from.kernel_1) * dot(from.kernel_2, from.kernel_2);
      if (!(begin > 1e-24 * scale)) return halt("The loss is already zero: there is nothing to descend.");
      let now = from, last = begin, steps = 0;
      const publish = ({ kernel_1, kernel_2 }) => view.set({ kernel_1, kernel_2 });

      /** Take some steps; the sentence that ends the run, or nothing while it goes on. */
      function advance(count) {
        for (let i = 0; i < count; i++) {
          const next = { ...now, ...descend(now) }, value = lossOf(next);
          steps++;
          if (!(value <= 10 * begin)) {
            publish(from);
            return `Diverged after ${steps} steps: the step size is too large. The kernels are back ` +
              "where they were; try a smaller one.";
          }
          const gain = Math.abs(last - value);
          [now, last] = [next, value];
          if (gain < 1e-7 * begin || steps === 3000) {
            publish(now);
            return `${steps === 3000 ? "Stopped" : "Converged"} after ${steps} steps: ` +
              `the loss went from ${show(begin)} to ${show(value)}.`;
          }
        }
        publish(now);
      }

      const kernels = (s) => JSON.stringify([s.kernel_1, s.kernel_2]);

      function tick() {
        if (kernels(view.state()) !== kernels(now)) return halt("Stopped: the kernels were set by other means.");
        const end = advance(2);
        if (end) return halt(end);
        message.textContent = `Step ${steps}: loss ${show(last)}`;
        frame = requestAnimationFrame(tick);
      }

      if (matchMedia("(prefers-reduced-motion: reduce)").matches) return halt(advance(3000));
      run.textContent = "Stop";
      message.setAttribute("aria-live", "off"); // sixty announcements a second help nobody
      frame = requestAnimationFrame(tick);
    }

    const nodes = [
      h("div", { class: "convsim-row convsim-descent", role: "group", "aria-label": "Gradient descent" },
        field("Descend on", loss), field("Step size", rate), button("One step", oneStep), run),
      message,
    ];
    const draw = (s) => { loss.value = s.loss; follow(rate, s.learning_rate); };
    return { nodes, draw, halt };
  }

  /** Two equalisers, their number of taps, and the descent on both. */
  function kernelPair(view, losses, fit = (which, kernel, N) => resized(kernel, N)) {
    const descent = descentPanel(view, losses);

    /** A change by the reader's hand: it ends a running descent and the message about it. */
    function act(patch) {
      descent.halt("");
      view.set(patch);
    }

    const change = (name) => (n, value) => {
      const kernel = view.state()[name].slice();
      kernel[n] = value;
      act({ [name]: kernel });
    };
    const equalisers = [
      equaliser("K1", "K₁", "convsim-one", change("kernel_1")),
      equaliser("K2", "K₂", "convsim-two", change("kernel_2")),
    ];
    const taps = tapsSlider((N) => {
      const s = view.state();
      act({ kernel_1: fit(0, s.kernel_1, N), kernel_2: fit(1, s.kernel_2, N) });
    });
    const count = inline(), node = h("div", { class: "convsim-kernels" }, ...equalisers.map((e) => e.node));

    function draw(s) {
      const N = s.kernel_1.length;
      follow(taps, N);
      count.textContent = `N = ${N}`;
      equalisers[0].draw(s.kernel_1);
      equalisers[1].draw(s.kernel_2);
      node.classList.toggle("convsim-stacked", N > 8);
      descent.draw(s);
    }
    return { node, equalisers, taps: field("Taps", taps, count), descent, act, draw };
  }

  function similarityView(view) {
    const analyse = signalAnalyser(), panel = mapsPanel();
    const pair = kernelPair(view, VIEWS.similarity.choices.loss), { act, descent } = pair;
    const input = select(Object.entries(INPUTS).map(([name, [label]]) => [name, label]),
      (name) => act({ input: name }));
    const seed = seedInput((value) => act({ seed: value })), seedField = field("Seed", seed);
    const signal = chart(72, view.draw, 8), maps = chart(140, view.draw), lags = chart(190, view.draw);

    function orthogonalise() {
      const { kernel_1: a, kernel_2: b } = view.state(), norm = dot(a, a);
      if (!(norm > 0)) return descent.halt("K₁ is zero: every kernel is already orthogonal to it.");
      let c = b;
      for (let pass = 0; pass < 2; pass++) { // the second pass removes what rounding left
        const share = dot(a, c) / norm;
        c = c.map((tap, n) => tap - share * a[n]);
      }
      act({ kernel_2: c });
      descent.halt(dot(c, c) > 1e-24 * dot(b, b)
        ? "K₂ is now orthogonal to K₁; the feature maps are another matter."
        : "K₂ was a multiple of K₁: what is left of it is zero.");
    }

    function randomise() {
      const draw = () => view.state().kernel_1.map(() => hundredths(Math.random()));
      act({ kernel_1: draw(), kernel_2: draw() });
    }

    function draw(s) {
      const { x, maps: [f1, f2], terms, largest, readouts } = analyse(s), N = s.kernel_1.length, last = LENGTH + N - 2;
      pair.draw(s);
      input.value = s.input;
      seedField.hidden = s.input !== "noise";
      follow(seed, s.seed);
      const sentence = panel.draw(readouts, largest);

      signal.axes(0, last, ...roundRange(x.v));
      signal.bars("x", "convsim-fill-text", indexed(x.v), 0.5);
      signal.end(`Input X: ${INPUTS[s.input][0]}, 64 values`);

      maps.axes(0, last, ...roundRange(f1.v, f2.v));
      maps.line("f1", "convsim-line-one", indexed(f1.v));
      maps.line("f2", "convsim-line-two", indexed(f2.v));
      maps.ticks([0, last]);
      maps.end(`Feature maps F1 and F2, ${last + 1} values each; ` +
        `their inner product is ${show(readouts.feature_map_similarity)}`);

      let total = 0;
      const sums = terms.map((term) => (total += term));
      const middle = N - 1, others = indexed(terms).filter(([n]) => n !== middle);
      lags.axes(0, 2 * N - 2, ...roundRange(terms, sums));
      lags.bars("others", "convsim-fill-other", others);
      lags.bars("lag0", "convsim-fill-lag0", [[middle, terms[middle]]]);
      lags.line("running", "convsim-line-text", indexed(sums));
      lags.dots("points", "convsim-fill-text", indexed(sums), 2);
      lags.dots("final", "convsim-final", [[2 * N - 2, total]], 5);
      lags.ticks(N > 1 ? [0, middle, 2 * N - 2] : [0], (n) => n - middle);
      lags.end(`Eq. 11 as ${2 * N - 1} bars: lag 0 gives ${show(readouts.lag_0)}, ` +
        `the other lags ${show(readouts.other_lags)}, together ${show(total)}`);
      return sentence;
    }

    const nodes = [
      h("div", { class: "convsim-row" }, pair.taps, field("Input X", input), seedField),
      pair.node,
      h("div", { class: "convsim-row" }, button("Make K₂ ⟂ K₁", orthogonalise), button("Randomise", randomise)),
      ...descent.nodes,
      panel.node,
      figure(signal.svg, key("convsim-bg-text", "input X")),
      figure(maps.svg, key("convsim-bg-one", "feature map F₁"), key("convsim-dash-two", "feature map F₂")),
      figure(lags.svg, h("strong", {}, "Eq. 11"), "(K₁ ⋆ K₂)[n] · (X ⋆ X)[n], lag by lag:",
        key("convsim-bg-lag0", "lag 0"), key("convsim-bg-other", "other lags"),
        key("convsim-final-swatch", "running sum, up to ⟨F₁, F₂⟩")),
      panel.sum,
    ];
    const stop = () => { descent.halt(""); [signal, maps, lags].forEach((c) => c.stop()); };
    return { nodes, draw, stop, reset: () => descent.halt("") };
  }

  const FINE = 320; // points of the transform behind the curves: ticks fall on whole ones

  function spectrumView(view) {
    const panel = readoutPanel(SPECTRAL_READOUTS), bands = [bandControl(0), bandControl(1)];
    const pair = kernelPair(view, VIEWS.spectrum.choices.loss, (which, kernel, N) => bands[which].fit(kernel, N));
    const { act, descent } = pair;
    const seed = seedInput(randomise), alive = h("p", { class: "convsim-alive" });
    const spectra = chart(160, view.draw), product = chart(150, view.draw);
    pair.equalisers.forEach(({ node }, which) => node.append(bands[which].node));

    /** Sets its kernel to a band; otherwise it stands where the kernel's spectrum is highest. */
    function bandControl(which) {
      const name = `kernel_${which + 1}`, label = `Band of K${"₁₂"[which]}, cycles per tap`, value = inline();
      const like = (N, size) => band(Number(input.value), N, Math.min(size, 1e6) || 1);
      const input = slider({ min: 0, max: 0.5, step: 0.01 }, () => {
        const kernel = view.state()[name];
        act({ [name]: like(kernel.length, norm(kernel)) });
      });
      function is(kernel) {
        const size = norm(kernel), wanted = like(kernel.length, size);
        return kernel.length > 1 && kernel.every((tap, n) => Math.abs(tap - wanted[n]) < 1e-9 * size);
      }
      const fit = (kernel, N) => (is(kernel) ? like(N, norm(kernel)) : resized(kernel, N));
      function draw(kernel, p) {
        const top = Math.max(...p), peak = p.indexOf(top) / FINE, flat = !(Math.min(...p) < (1 - 1e-9) * top);
        if (!is(kernel)) follow(input, peak);
        value.textContent = flat ? "flat" : is(kernel) ? `centre ${show(Number(input.value), 2)}` : `peak ${show(peak, 2)}`;
      }
      return { node: field(label, input, value), fit, draw };
    }

    function randomise(seed) {
      const N = view.state().kernel_1.length, drawn = randomTaps(seed, 2 * N);
      act({ seed, kernel_1: drawn.slice(0, N), kernel_2: drawn.slice(N) });
    }

    function scale(by, times) {
      const s = view.state(), [kernel_1, kernel_2] = [scaled(s.kernel_1, by), scaled(s.kernel_2, by)];
      if (Math.max(...kernel_1, ...kernel_2) > 1e6) return descent.halt("The taps would exceed one million.");
      const before = spectralReadouts(s), after = spectralReadouts({ kernel_1, kernel_2 });
      act({ kernel_1, kernel_2 });
      descent.halt(`L_CS went from ${show(before.convolutional_similarity, undefined, 0)} to ` +
        `${show(after.convolutional_similarity, undefined, 0)}, ${times}; ` +
        `the normalised form is still ${show(after.normalized_similarity)}.`);
    }

    /** Whether L_CS is small for a kernel's sake: [a sentence, whether to warn]. */
    function life({ norm_1, norm_2 }) {
      const norms = [norm_1, norm_2], least = 0.02 * Math.max(1, ...norms);
      const names = (low) => ["K₁", "K₂"].filter((_, i) => norms[i] <= low).join(" and ");
      if (names(0)) return [`Dead: ${names(0)} (every tap is zero). L_CS is exactly 0, the normalised form undefined.`, true];
      if (names(least)) {
        return [`Nearly dead: ${names(least)} (norm below ${short(least)}). L_CS is small for that alone; the ` +
          "normalised form compares shapes that leave hardly a trace.", true];
      }
      return ["Alive: both kernels. L_CS is then never 0, for two power spectra always overlap somewhere; " +
        "it falls as the bands part and as the kernels shrink.", false];
    }

    function draw(s) {
      const readouts = spectralReadouts(s), mean = readouts.convolutional_similarity;
      const [p1, p2] = [s.kernel_1, s.kernel_2].map((kernel) => powerSpectrum(kernel, FINE));
      const both = p1.map((p, n) => p * p2[n]), last = FINE / 2, ticks = [0, 1, 2, 3, 4, 5].map((n) => (n * FINE) / 10);
      const cycles = (n) => n / FINE;
      pair.draw(s);
      bands[0].draw(s.kernel_1, p1);
      bands[1].draw(s.kernel_2, p2);
      follow(seed, s.seed);
      const sentence = panel.draw(readouts, () => 0), [said, warn] = life(readouts);
      alive.replaceChildren(...subscripted(said));
      alive.classList.toggle("convsim-warning", warn);

      spectra.axes(0, last, ...roundRange(p1, p2));
      spectra.line("p1", "convsim-line-one", indexed(p1));
      spectra.line("p2", "convsim-line-two", indexed(p2));
      spectra.ticks(ticks, cycles);
      const highest = (p) => show(cycles(p.indexOf(Math.max(...p))), 2);
      spectra.end("Power spectra over 0 to 0.5 cycles per tap: " +
        `p1 is highest at ${highest(p1)}, p2 at ${highest(p2)}`);

      // as high as two coinciding peaks would be: the area sinks when the bands part
      product.axes(0, last, ...roundRange([Math.max(...p1) * Math.max(...p2)]));
      product.area("product", "convsim-area", indexed(both));
      const level = product.y(mean);
      product.put("mean", "line", { class: "convsim-mean",
        x1: product.x(0), x2: product.x(last), y1: f(level), y2: f(level) });
      product.put("name", "text", { class: "convsim-tick convsim-strong", "text-anchor": "end",
        x: product.x(last), y: f(level < 24 ? level + 15 : level - 6) }, `mean ${show(mean, undefined, 0)}`);
      product.ticks(ticks, cycles);
      product.end(`Product of the power spectra; its mean, L CS, is ${show(mean, undefined, 0)}`);
      return warn ? `${sentence}. ${said.replace("_", " ")}` : sentence;
    }

    const nodes = [
      h("div", { class: "convsim-row" }, pair.taps, field("Random seed", seed),
        button("Randomise", () => randomise((view.state().seed + 1) % 2 ** 32))),
      pair.node,
      panel.node,
      alive,
      figure(spectra.svg, key("convsim-bg-one", "p₁ = |K̂₁|²"), key("convsim-dash-two", "p₂ = |K̂₂|²"),
        "over the frequency in cycles per tap"),
      figure(product.svg, key("convsim-area-swatch", "p₁ p₂"),
        key("convsim-mean-swatch", h("span", {}, ...subscripted("its mean over the frequencies: L_CS")))),
      h("div", { class: "convsim-row convsim-middle-row", role: "group", "aria-label": "Scale" },
        button("Halve both", () => scale(0.5, "a sixteenth")), button("Double both", () => scale(2, "sixteen times as much")),
        h("span", { class: "convsim-note" }, ...subscripted("Half the taps, a sixteenth of L_CS; the normalised form stays."))),
      ...descent.nodes,
    ];
    const stop = () => { descent.halt(""); [spectra, product].forEach((c) => c.stop()); };
    return { nodes, draw, stop, reset: () => descent.halt("") };
  }

  const BINOMIAL = { 3: [1, 2, 1], 5: [1, 4, 6, 4, 1] };
  const SLOPE = { 3: [-1, 0, 1], 5: [-1, -2, 0, 2, 1] };
  const outer = (a, b) => a.map((p) => b.map((q) => p * q));
  const blur = (n) => outer(BINOMIAL[n], BINOMIAL[n]).map((r) => r.map((v) => v / 4 ** (n - 1)));

  /** A wave at 45° under a bell, to two digits. */
  function gabor(n) {
    const middle = (n - 1) / 2;
    const at = (i, j) => {
      const y = i - middle, x = j - middle, along = (x + y) / Math.SQRT2;
      return Math.exp(-(x * x + y * y) / (n - 1)) * Math.cos((2 * Math.PI * along) / (n - 1));
    };
    return BINOMIAL[n].map((_, i) => BINOMIAL[n].map((_, j) => Math.round(100 * at(i, j)) / 100));
  }

  const PRESETS = {
    "Sobel x": (n) => outer(BINOMIAL[n], SLOPE[n]),
    "Sobel y": (n) => outer(SLOPE[n], BINOMIAL[n]),
    Blur: blur,
    Sharpen: (n) => blur(n).map((r, i) => r.map((v, j) => (2 * i === n - 1 && 2 * j === n - 1 ? 2 : 0) - v)),
    Gabor: gabor,
    Random: (n, which, seed) => {
      const drawn = randomTaps(seed, 2 * n * n);
      return BINOMIAL[n].map((_, i) => drawn.slice(which * n * n + i * n, which * n * n + i * n + n));
    },
  };

  /** Cut a square kernel, or pad it with zeros, on all sides. */
  function resizedSquare(kernel, n) {
    const shift = (kernel.length - n) / 2;
    return BINOMIAL[n].map((_, i) => BINOMIAL[n].map((_, j) => kernel[i + shift]?.[j + shift] ?? 0));
  }

  function imageView(view) {
    const analyse = imageAnalyser(), panel = mapsPanel();
    const size = select([["3", "3 × 3"], ["5", "5 × 5"]], (value) => {
      const s = view.state(), n = Number(value);
      const fit = (which) => {
        const name = presetOf(s, which);
        return name ? PRESETS[name](n, which, s.seed) : resizedSquare(s[`kernel_${which + 1}`], n);
      };
      view.set({ kernel_1: fit(0), kernel_2: fit(1) });
    });
    const seed = seedInput((value) => {
      const s = view.state(), patch = { seed: value };
      [0, 1].filter((w) => presetOf(s, w) === "Random").forEach((w) => {
        patch[`kernel_${w + 1}`] = PRESETS.Random(s.kernel_1.length, w, value);
      });
      view.set(patch);
    });

    function presetOf(s, which) {
      const now = JSON.stringify(s[`kernel_${which + 1}`]), n = s.kernel_1.length;
      return Object.keys(PRESETS).find((name) => JSON.stringify(PRESETS[name](n, which, s.seed)) === now) ?? "";
    }

    function editor(which) {
      const name = `kernel_${which + 1}`, label = `K${which + 1}`;
      const preset = select([["", "Your own"], ...Object.keys(PRESETS).map((p) => [p, p])], (chosen) => {
        const s = view.state();
        if (chosen) view.set({ [name]: PRESETS[chosen](s.kernel_1.length, which, s.seed) });
        else view.draw();
      });
      const grid = h("div", { class: "convsim-matrix" });
      let inputs = [];
      function make(n) {
        inputs = Array.from({ length: n * n }, (_, at) => {
          const i = Math.floor(at / n), j = at % n, cell = `${label} row ${i} column ${j}`;
          const bounds = { step: "any", min: -1e6, max: 1e6, required: true, "aria-label": cell };
          return numberInput(bounds, (value) => {
            const kernel = view.state()[name].map((r) => r.slice());
            kernel[i][j] = value;
            view.set({ [name]: kernel });
          });
        });
        grid.style.setProperty("--convsim-columns", n);
        grid.replaceChildren(...inputs);
      }
      const className = `convsim-editor ${which ? "convsim-two" : "convsim-one"}`;
      const node = h("div", { class: className, role: "group", "aria-label": `Kernel ${label}` },
        field(which ? "Kernel K₂" : "Kernel K₁", preset), grid);
      function draw(s) {
        const values = s[name].flat();
        if (values.length !== inputs.length) make(s[name].length);
        values.forEach((value, i) => follow(inputs[i], value));
        preset.value = presetOf(s, which);
      }
      return { node, draw };
    }

    /** A grid as grey pixels, once the painter is told which value is which grey. */
    function canvas(label) {
      const node = h("canvas", { class: "convsim-canvas", role: "img", "aria-label": label, width: 1, height: 1 });
      const context = node.getContext("2d");
      return { node, paint({ h: height, w, v }, grey) {
        if (node.width !== w) [node.width, node.height] = [w, height];
        const image = context.createImageData(w, height), pixels = new Uint32Array(image.data.buffer);
        for (let i = 0; i < v.length; i++) pixels[i] = 0xff000000 | (Math.round(grey(v[i])) * 0x010101);
        context.putImageData(image, 0, 0);
      } };
    }

    const editors = [editor(0), editor(1)];
    const photo = canvas("The photograph X, 64 by 64 grey values");
    const maps = [canvas("Feature map F1"), canvas("Feature map F2")];
    const scale = h("p", { class: "convsim-note" }), strength = h("span");
    const heat = chart(220, view.draw);

    function draw(s) {
      const { x, maps: [f1, f2], terms, largest, readouts } = analyse(s), n = s.kernel_1.length, w = 2 * n - 1;
      size.value = String(n);
      follow(seed, s.seed);
      editors.forEach((e) => e.draw(s));
      const sentence = panel.draw(readouts, largest);
      let white = 0;
      for (const map of [f1, f2]) for (const v of map.v) white = Math.max(white, Math.abs(v));
      photo.paint(x, (v) => 255 * v);
      maps[0].paint(f1, (v) => 127.5 + (127.5 * v) / (white || 1));
      maps[1].paint(f2, (v) => 127.5 + (127.5 * v) / (white || 1));
      scale.textContent = "Both feature maps share one scale: " +
        `black is ${show(-white)}, mid-grey is 0, white is ${show(white)}.`;

      const peak = largest || 1;
      const cell = Math.min(44, (heat.width - 40) / w, (heat.height - 30) / w);
      const x0 = (heat.width - w * cell) / 2, y0 = 6;
      strength.textContent = `full colour: ±${show(peak)}`;
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
      return sentence;
    }

    const nodes = [
      h("div", { class: "convsim-row" }, field("Size", size), field("Random seed", seed)),
      h("div", { class: "convsim-kernels" }, ...editors.map((e) => e.node)),
      h("div", { class: "convsim-pictures" },
        figure(photo.node, "photograph X"),
        figure(maps[0].node, key("convsim-bg-one", "feature map F₁")),
        figure(maps[1].node, key("convsim-bg-two", "feature map F₂"))),
      scale,
      panel.node,
      figure(heat.svg, h("strong", {}, "Eq. 11"), "(K₁ ⋆ K₂)[n] · (X ⋆ X)[n], one cell per lag:",
        key("convsim-bg-positive", "positive"), key("convsim-bg-negative", "negative"),
        key("convsim-middle-swatch", "lag (0, 0)"), strength),
      panel.sum,
    ];
    return { nodes, draw, stop: () => heat.stop() };
  }

  function normalizationView(view) {
    const { bounds } = VIEWS.normalization, panel = readoutPanel(NORMALIZATION_READOUTS);
    const linear = [(v) => v, (v) => v, 1];
    const logarithmic = [Math.log10, (v) => Number((10 ** v).toPrecision(3)), 0.01];
    const control = (name, label, tell, [to, from, step]) => {
      const [min, max] = bounds[name].map(to), value = inline();
      const input = slider({ min, max, step }, (v) => view.set({ [name]: from(v) }));
      const draw = (s) => {
        follow(input, to(s[name]));
        value.textContent = tell(short(s[name]));
        input.setAttribute("aria-valuetext", value.textContent); // not the logarithm
      };
      return { node: field(label, input, value), draw };
    };
    const controls = [
      control("scale", "Start scale s = ‖w‖", (v) => `s = ${v}`, logarithmic),
      control("angle", "Start angle α", (v) => `α = ${v}°`, linear),
      control("learning_rate", "Learning rate η", (v) => `η = ${v}`, logarithmic),
      control("steps", "Steps", (v) => v, linear),
    ];
    const plane = chart(320, view.draw), curves = chart(320, view.draw), radii = h("span");
    let ring; // the loss in every half degree of direction
    const RISE = 30; // pixels between the lowest and the highest loss on the ring

    function draw(s) {
      const r = normalizationReadouts(s), around = (n) => (n * Math.PI) / 360;
      ring ??= Array.from({ length: 720 }, (_, n) => normalizedUnit(s.points, polar(1, around(n))).loss);
      const lowest = Math.min(...ring), spread = Math.max(...ring) - lowest, best = around(ring.indexOf(lowest));
      const sentence = panel.draw(r, (name) => (name === "turned" ? 1 : 0));
      controls.forEach((c) => c.draw(s));

      // w never shortens, so the circle of its last norm holds the whole path
      const centre = plane.width / 2, middle = plane.height / 2;
      const pixels = (Math.min(centre, middle) - RISE - 4) / r.norm_end;
      const circle = (name, radius, className) => plane.put(name, "circle",
        { class: className, cx: centre, cy: middle, r: f(pixels * radius) });
      plane.begin();
      plane.x = (v) => centre + pixels * v;
      plane.y = (v) => middle - pixels * v;
      plane.line("ring", "convsim-area", [...ring, ring[0]].map((loss, n) =>
        polar(r.norm_end + (RISE * (loss - lowest)) / spread / pixels, around(n))));
      circle("end", r.norm_end, "convsim-hollow");
      circle("start", r.norm_start, "convsim-start");
      plane.line("best", "convsim-mean", [[0, 0], polar(r.norm_end, best)]);
      plane.line("path", "convsim-line-one", r.path);
      plane.dots("steps", "convsim-fill-one", r.path, 2.5);
      plane.dots("origin", "convsim-fill-other", [[0, 0]], 2.5);
      plane.dots("first", "convsim-fill-text", [r.path[0]], 4);
      plane.dots("last", "convsim-final", [r.path[s.steps]], 5);
      plane.end(`The path of w from norm ${show(r.norm_start)} to norm ${show(r.norm_end)}, turned by ` +
        `${show(r.turned)} degrees; the loss is lowest at ${show((best * 180) / Math.PI, 1)} degrees`);
      radii.textContent = `circles: ‖w‖ = ${short(r.norm_start)} and ${short(r.norm_end)}`;

      curves.axes(0, s.steps, ...roundRange(r.losses, r.unit_losses));
      const level = f(curves.y(lowest));
      curves.put("lowest", "line", { class: "convsim-mean",
        x1: curves.x(0), x2: curves.x(s.steps), y1: level, y2: level });
      curves.line("own", "convsim-line-wide", indexed(r.losses));
      curves.line("unit", "convsim-line-text", indexed(r.unit_losses));
      curves.line("equivalent", "convsim-line-two", indexed(r.equivalent_losses));
      curves.ticks([0, s.steps]);
      curves.end(`Loss over ${s.steps} steps: from ${show(r.loss_start)} to ${show(r.loss_end)}, and the same ` +
        `from scale 1 with rate ${show(r.rate_start)}; from scale 1 with rate ${show(s.learning_rate)} ` +
        `to ${show(r.unit_losses[s.steps])}`);
      return sentence;
    }

    const nodes = [
      h("div", { class: "convsim-kernels" }, ...controls.map((c) => c.node)),
      panel.node,
      h("div", { class: "convsim-kernels" },
        figure(plane.svg, h("strong", {}, "The plane of w"), key("convsim-dot-text", "start"),
          key("convsim-final-swatch", "end"), key("convsim-mean-swatch", "best direction"),
          key("convsim-area-swatch", "loss in each direction"), radii),
        figure(curves.svg, h("strong", {}, "Loss over the steps"),
          key("convsim-wide-swatch", "A: from scale s with η"), key("convsim-dash-two", "B: from scale 1 with η/s²"),
          key("convsim-thin-swatch", "from scale 1 with η"), key("convsim-mean-swatch", "lowest"))),
      h("p", { class: "convsim-note" }, "Every step leaves its circle along a tangent: ‖w‖ never falls, " +
        "and the rate that counts, η/‖w‖², never rises. A and B start with the same one, and so turn alike."),
    ];
    return { nodes, draw, stop: () => [plane, curves].forEach((c) => c.stop()) };
  }

  const MOST_POINTS = 12, REACH = 2; // candidates, and the size of a coordinate
  const RAY = [[0.4, 0.3], [0.8, 0.6], [1.2, 0.9], [1.6, 1.2], [-0.6, -0.45]];
  const RING = Array.from({ length: 6 }, (_, n) =>
    polar(0.6, ((2 * n + 1) * Math.PI) / 6).map((v) => Math.round(100 * v) / 100));
  const RINGS = [...RING, ...RING.map((point) => scaled(point, 2))];

  function nnkView(view) {
    const panel = readoutPanel(NNK_READOUTS), knn = chart(440, view.draw), nnk = chart(440, view.draw);
    const MARGIN = 14; // pixels around ±REACH
    const slots = Array.from({ length: MOST_POINTS }, (_, i) => i); // places for candidates, taken or not
    let moving = 0, seed = 0; // the point that the sliders move: 0 is q, i + 1 candidate i

    const points = ({ query, candidates }) => [query, ...candidates];
    const nameOf = (number) => (number === 0 ? "q" : String(number));
    const onGrid = (v) => Math.round(100 * Math.min(REACH, Math.max(-REACH, v))) / 100;

    function move(at) {
      const s = view.state();
      if (moving === 0) view.set({ query: at });
      else view.set({ candidates: s.candidates.map((point, i) => (i === moving - 1 ? at : point)) });
    }

    const k = slider({ min: 1, max: MOST_POINTS }, (value) => view.set({ k: value })), kValue = inline();
    const sigma = slider({ min: 0, max: 3, step: 0.01 }, (value) => view.set({ sigma: value }));
    const sigmaValue = inline();
    const which = select([], (number) => { moving = Number(number); view.draw(); });
    const coordinates = ["x", "y"].map((name, c) => {
      const value = inline(), input = slider({ min: -REACH, max: REACH, step: 0.01 }, (v) =>
        move(points(view.state())[moving].map((old, other) => (other === c ? v : old))));
      return { node: field(name, input, value), input, value };
    });

    const preset = (candidates) => view.set({ query: [0, 0], candidates, k: candidates.length, sigma: 0 });
    function randomise() {
      const drawn = uniformNoise(++seed, 2 * MOST_POINTS).map((v) => onGrid(1.9 * (2 * v - 1)));
      view.set({ query: [0, 0], candidates: slots.map((i) => drawn.slice(2 * i, 2 * i + 2)) });
    }

    /** A point follows the pointer that grabbed it, at the distance at which it was grabbed. */
    function draggable(plane) {
      let held = null;
      const at = (event) => {
        const box = plane.svg.getBoundingClientRect(), pixels = plane.x(1) - plane.x(0);
        return [(event.clientX - box.left - plane.x(0)) / pixels, (plane.y(0) - event.clientY + box.top) / pixels];
      };
      const onPoint = (event) => event.target.classList.contains("convsim-grab");
      // a finger moves the point, not the page; Chromium heeds no touch-action on a circle
      plane.svg.addEventListener("touchstart", (event) => { if (onPoint(event)) event.preventDefault(); }, { passive: false });
      plane.svg.addEventListener("pointerdown", (event) => {
        if (held || event.button !== 0 || !onPoint(event)) return;
        const to = at(event), all = points(view.state()), far = all.map((point) => squaredDistance(point, to));
        const nearest = Math.min(...far);
        if (far[moving] !== nearest) moving = far.indexOf(nearest); // of points at one place the one moved last
        held = { pointer: event.pointerId, number: moving, by: difference(all[moving], to) };
        plane.svg.setPointerCapture(event.pointerId);
        event.preventDefault(); // no text is selected
        view.draw();
      });
      plane.svg.addEventListener("pointermove", (event) => {
        if (held?.pointer !== event.pointerId || held.number !== moving) return;
        const to = at(event);
        move(to.map((v, c) => onGrid(v + held.by[c])));
      });
      plane.svg.addEventListener("lostpointercapture", () => (held = null));
    }
    [knn, nnk].forEach(draggable);

    /** q and the points; widths: of the line from q to each, 0 for none, null
     * where it is not among the k nearest; borders: the points that have one. */
    function drawPlane(plane, s, widths, borders) {
      const { query: q, candidates } = s, half = plane.width / 2, pixels = (half - MARGIN) / REACH;
      const edge = half / pixels, lines = (list) => list.map((ends) =>
        ends.map(([x, y], n) => `${n ? "L" : "M"}${f(plane.x(x))} ${f(plane.y(y))}`).join("")).join("");
      plane.begin();
      plane.x = (v) => half + pixels * v;
      plane.y = (v) => half - pixels * v;

      // all marks are made at the first draw, for they lie on one another in that order
      const grid = [-1, 0, 1].flatMap((v) => [[[v, -edge], [v, edge]], [[-edge, v], [edge, v]]]);
      plane.put("grid", "path", { class: "convsim-grid", d: lines(grid) });
      const corners = [[-edge, -edge], [edge, -edge], [edge, edge], [-edge, edge]];
      const polytope = borders.reduce((left, x) => clipped(left, (p) => before(p, x, q)), corners);
      plane.put("polytope", "path", { class: "convsim-polytope", d: borders.length ? `${lines([polytope])}Z` : "" });
      plane.put("borders", "path", { class: "convsim-border", d: lines(borders.map((x) => {
        const [across, up] = scaled(unit(difference(x, q)), 4 * edge);
        return [[x[0] - up, x[1] + across], [x[0] + up, x[1] - across]];
      })) });
      const put = (name, tag, shown, attributes, text) =>
        plane.put(name, tag, shown ? attributes : { display: "none" }, text);
      const [qx, qy] = [f(plane.x(q[0])), f(plane.y(q[1]))];
      const place = slots.map((i) => (candidates[i] ?? q)).map(([x, y]) => [f(plane.x(x)), f(plane.y(y))]);
      for (const i of slots) {
        const [x, y] = place[i];
        put(`spoke${i}`, "line", widths[i] > 0, { class: "convsim-spoke", x1: qx, y1: qy, x2: x, y2: y,
          "stroke-width": f(widths[i]) });
      }
      const disc = (number, shown, x, y, r, className, numberClass) => {
        put(`dot${number}`, "circle", shown, { class: className, cx: x, cy: y, r });
        put(`name${number}`, "text", shown, { class: numberClass, "text-anchor": "middle", x,
          y: r < 9 ? y - 9 : y + 4 }, nameOf(number));
      };
      const outside = [4, "convsim-fill-other", "convsim-tick convsim-beside"];
      const neighbour = [10, "convsim-fill-one", "convsim-number"];
      const hidden = [10, "convsim-hollow", "convsim-number convsim-faded"];
      for (const i of slots) {
        const look = widths[i] === null ? outside : widths[i] > 0 ? neighbour : hidden;
        disc(i + 1, i < candidates.length, ...place[i], ...look);
      }
      disc(0, true, qx, qy, 10, "convsim-fill-text", "convsim-number");
      const [x, y] = moving === 0 ? [qx, qy] : place[moving - 1];
      plane.put("moving", "circle", { class: "convsim-moving", cx: x, cy: y, r: 14 });
      const grab = (number, shown, cx, cy) =>
        put(`grab${number}`, "circle", shown, { class: "convsim-grab", cx, cy, r: 18 });
      for (const i of slots) grab(i + 1, i < candidates.length, ...place[i]);
      grab(0, true, qx, qy);
    }

    const rows = slots.map(() => {
      const [name, bar, value] = ["name", "bar", "value"].map((part) => h("span", { class: `convsim-weight-${part}` }));
      const track = h("span", { class: "convsim-weight-track", "aria-hidden": "true" }, bar);
      return { node: h("li", {}, name, track, value), name, bar, value };
    });
    const weights = h("ul", { class: "convsim-weights" }, ...rows.map((r) => r.node));
    const said = h("p", { class: "convsim-alive" });

    function draw(s) {
      const { readouts, nearest, similarity } = nnkSolve(s), { candidates, query: q } = s;
      if (moving > candidates.length) moving = 0;
      const sentence = panel.draw(readouts, () => 1);
      follow(k, s.k);
      kValue.textContent = `k = ${s.k}${s.k > candidates.length ? ": all" : " of"} ${candidates.length}`;
      k.setAttribute("aria-valuetext", kValue.textContent);
      follow(sigma, s.sigma);
      sigmaValue.textContent = s.sigma > 0 ? `σ = ${short(s.sigma)}` : `automatic: ${short(readouts.sigma)}`;
      sigma.setAttribute("aria-valuetext", sigmaValue.textContent);

      if (which.length !== candidates.length + 1) {
        which.replaceChildren(...points(s).map((_, number) => h("option", { value: number }, nameOf(number))));
      }
      which.value = String(moving);
      coordinates.forEach(({ input, value }, c) => {
        const at = points(s)[moving][c];
        follow(input, at);
        value.textContent = show(at, 2);
      });

      const weight = (i) => readouts.weights?.[i] ?? 0, neighbours = nearest.filter((i) => weight(i) > 0);
      const clear = (j, i) => before(candidates[j], candidates[i], q); // how clearly i alone does not hide j
      const behind = (j, i) => clear(j, i) <= 1e-12; // 0, but for rounding
      const covered = neighbours.some((i) => squaredDistance(candidates[i], q) === 0);
      const borders = covered ? [] : neighbours.map((i) => candidates[i]);
      const among = candidates.map((_, i) => nearest.includes(i)), names = neighbours.map((i) => i + 1).join(", ");
      drawPlane(knn, s, among.map((is) => (is ? 2 : null)), []);
      knn.end(`The query q and its ${nearest.length} nearest neighbours of ${candidates.length} points: ` +
        nearest.map((i) => i + 1).join(", "));
      drawPlane(nnk, s, among.map((is, i) => (!is ? null : weight(i) > 0 ? 1.5 + 10 * weight(i) : 0)), borders);
      nnk.end(`The query q and its ${neighbours.length} NNK neighbours: ${names || "none"}` +
        (borders.length ? "; their borders enclose the NNK polytope around q" : ""));

      const why = (i) => {
        if (readouts.weights === null) return "undefined";
        if (weight(i) > 0) return show(weight(i));
        const hiders = neighbours.filter((n) => behind(i, n)).sort((a, b) => clear(i, a) - clear(i, b));
        if (hiders.length > 0) return `hidden by ${hiders[0] + 1}`;
        return similarity[i] <= SMALLEST_WEIGHT ? "too far for σ" : "hidden by several together";
      };
      rows.forEach(({ node, name, bar, value }, n) => {
        const i = nearest[n];
        node.hidden = i === undefined;
        if (node.hidden) return;
        name.textContent = i + 1;
        bar.style.width = `${f(100 * weight(i))}%`; // no weight exceeds 1, the kernel's largest value
        value.textContent = why(i);
        value.dataset.readout = `weight_${i + 1}`;
        value.dataset.value = readouts.weights && weight(i);
      });

      const back = neighbours.find((j) => neighbours.some((i) => i !== j && behind(j, i)));
      const front = neighbours.find((i) => i !== back && back !== undefined && behind(back, i));
      const words = () => {
        if (readouts.weights === null) {
          return "Undefined: σ is 0, or as good as 0. The automatic σ is, if all of the k nearest lie on q: move one " +
            "away, or set a larger σ.";
        }
        if (covered) {
          return `Point ${names} lies on q and takes all the weight. There is no direction from q to it, ` +
            "and so no border and no polytope.";
        }
        if (neighbours.length === 0) return "No point has a weight: for so small a σ all of them are too far.";
        if (back !== undefined) {
          return `Point ${back + 1} lies behind the border of ${front + 1}, yet has a weight: if they were the only ` +
            `two, it would be hidden, whatever σ, but other neighbours take weight from ${front + 1}.`;
        }
        return "A point behind the border of another is hidden by it, whatever σ, if these are the only two. " +
          "The region on q's side of all borders is the NNK polytope.";
      };
      said.textContent = words();
      said.classList.toggle("convsim-warning", readouts.weights === null);
      return `${sentence}. ${readouts.weights === null ? said.textContent : `Neighbours: ${names || "none"}`}`;
    }

    const nodes = [
      h("div", { class: "convsim-row", role: "group", "aria-label": "Arrangements" },
        button("In a row", () => preset(RAY)), button("Ring behind ring", () => preset(RINGS)), button("Random", randomise)),
      h("div", { class: "convsim-kernels" }, field("Neighbours k", k, kValue), field("Kernel width σ", sigma, sigmaValue)),
      h("div", { class: "convsim-kernels" },
        figure(knn.svg, h("strong", {}, "k nearest neighbours"), key("convsim-dot-one", "one of the k nearest"),
          key("convsim-dot-other", "another point")),
        figure(nnk.svg, h("strong", {}, "NNK neighbours"), key("convsim-wide-swatch", "weight"),
          key("convsim-hollow-swatch", "hidden"), key("convsim-dash-two", "border"),
          key("convsim-polytope-swatch", "NNK polytope"))),
      h("div", { class: "convsim-row convsim-move", role: "group", "aria-label": "Move a point" },
        field("Move point (or drag it)", which), ...coordinates.map((c) => c.node)),
      panel.node,
      h("div", { class: "convsim-figure", role: "group", "aria-label": "Weights" },
        h("div", { class: "convsim-caption" }, h("strong", {}, "Weights θ"), "of the k nearest, nearest first"), weights),
      said,
    ];
    const stop = () => [knn, nnk].forEach((plane) => plane.stop());
    return { nodes, draw, stop, reset: () => (moving = 0) };
  }

  // keys: the state a link holds; choices: what their names may be; bounds: of their numbers, where
  // they are the view's own; fixed: what only Python sets
  const VIEWS = {
    correlation: {
      name: "CorrelationExplorer", title: "Correlation explorer", build: correlationView,
      keys: ["signal", "kernel", "mode", "position"], choices: { mode: MODES }, fixed: [],
    },
    similarity: {
      name: "SimilarityExplorer", title: "Similarity explorer", build: similarityView,
      keys: ["kernel_1", "kernel_2", "input", "seed", "loss", "learning_rate"],
      choices: { input: Object.keys(INPUTS), loss: ["convolutional_similarity", "kernel_similarity"] },
      fixed: ["photograph"],
    },
    image: {
      name: "ImageExplorer", title: "Image explorer", build: imageView,
      keys: ["kernel_1", "kernel_2", "seed"], choices: {}, fixed: ["photograph"],
    },
    spectrum: {
      name: "SpectrumExplorer", title: "Spectrum explorer", build: spectrumView,
      keys: ["kernel_1", "kernel_2", "loss", "learning_rate", "seed"],
      choices: { loss: ["convolutional_similarity", "normalized"] }, fixed: [],
    },
    normalization: {
      name: "NormalizationExplorer", title: "Normalisation explorer", build: normalizationView,
      keys: ["scale", "angle", "learning_rate", "steps"], choices: {}, fixed: ["points"],
      bounds: { scale: [0.1, 10], angle: [-180, 180], learning_rate: [0.01, 10], steps: [1, 100] },
    },
    nnk: {
      name: "NNKExplorer", title: "NNK explorer", build: nnkView,
      keys: ["query", "candidates", "k", "sigma"], choices: {}, fixed: [],
      bounds: { query: [-REACH, REACH], candidates: [-REACH, REACH], k: [1, MOST_POINTS], sigma: [0, 3] },
    },
  };

  // ---------------------------------------------------------------------------------------------
  // One view of a model: state in, picture out. Returns what takes it down again.

  function render({ model, el }) {
    const kind = model.get("_explorer"), { name, title, build, keys, fixed } = VIEWS[kind];
    const all = [...keys, ...fixed], index = model.get("_index"), onPage = index !== undefined;
    const state = () => Object.fromEntries(all.map((k) => [k, model.get(k)]));
    const initial = state();
    const live = h("p", { class: "convsim-unseen", "aria-live": "polite" });
    const text = h("input", { class: "convsim-input convsim-link", readonly: "",
      "aria-label": onPage ? "Link to this state" : "Constructor call", onfocus: () => text.select() });
    const note = h("span", { class: "convsim-note", role: "status" });
    let own = false, queued = false, gone = false, timer = 0, sentence = "";

    const view = {
      state,
      set(patch) {
        own = true;
        for (const [k, value] of Object.entries(patch)) model.set(k, value);
        own = false;
        model.save_changes();
        view.draw();
        tell();
      },
      draw() {
        const s = state();
        // two traits of one change may arrive one after the other
        if (gone || (s.kernel_1 && s.kernel_1.length !== s.kernel_2.length)) return;
        sentence = built.draw(s);
        text.value = onPage ? address(index, keys, s) : python(name, keys, s);
      },
    };
    /** Announce what a change led to, once a drag has come to rest. */
    const tell = () => {
      note.textContent = "";
      clearTimeout(timer);
      timer = setTimeout(() => (live.textContent = sentence), 700);
    };
    const changed = () => {
      if (own || queued) return;
      queued = true;
      queueMicrotask(() => {
        queued = false;
        if (gone) return;
        view.draw();
        tell();
      });
    };
    const built = build(view);
    const copy = () => {
      text.select();
      const done = () => (note.textContent = "Copied.");
      const failed = () => (note.textContent = "Select the text and copy it.");
      if (navigator.clipboard) navigator.clipboard.writeText(text.value).then(done, failed);
      else failed();
    };
    const reset = () => { built.reset?.(); view.set(initial); };
    // JupyterLab takes the arrow keys, Enter and more from a focused control that does not say this.
    const onfocusin = ({ target }) => target.setAttribute("data-lm-suppress-shortcuts", "true");
    const root = h("div", { class: `convsim-view convsim-${kind}`, role: "group", "aria-label": title, onfocusin }, ...built.nodes,
      h("div", { class: "convsim-row convsim-footer" }, 
        button("Reset", reset), button(onPage ? "Copy link" : "Copy as Python", copy), text, note), live);
    el.append(root);
    for (const k of all) model.on(`change:${k}`, changed);
    view.draw();

    return () => {
      gone = true;
      clearTimeout(timer);
      for (const k of all) model.off(`change:${k}`, changed);
      built.stop?.();
      root.remove();
    };
  }

  const python = (name, keys, s) => `${name}(${keys.map((k) => `${k}=${JSON.stringify(s[k])}`).join(", ")})`;

  // ---------------------------------------------------------------------------------------------
  // Static pages: a stand-in for anywidget's model, links that hold a state, mounting.

  /** Rows are parted by semicolons, numbers by commas; String(number) is exact. */
  const write = (value) => (Array.isArray(value?.[0]) ? value.map(write).join(";") : String(value));
  const address = (index, keys, s) =>
    `${location.href.split("#")[0]}#convsim=${index}&${keys.map((k) => `${k}=${write(s[k])}`).join("&")}`;

  const BOUNDS = { seed: [0, 2 ** 32 - 1], position: [0, 1e6], learning_rate: [1e-6, 10] };
  const WHOLE = ["seed", "position", "steps", "k"];
  const MOST = { signal: LENGTH, query: 2, candidates: MOST_POINTS }, LEAST = { query: 2, candidates: 3 };

  /** The value a link gives, if Python would take it too; throws otherwise. */
  function parse(name, text, like, choices, bounds = BOUNDS[name]) {
    const need = (good) => { if (!good) throw new RangeError(name); };
    const [low, high] = bounds ?? [-1e6, 1e6];
    const number = (t) => {
      const value = Number(t);
      need(t.trim() !== "" && value >= low && value <= high);
      need(!WHOLE.includes(name) || Number.isInteger(value));
      return value;
    };
    const list = (t) => t.split(",").map(number);
    if (choices) {
      need(choices.includes(text));
      return text;
    }
    if (!Array.isArray(like)) return number(text);
    const value = Array.isArray(like[0]) ? text.split(";").map(list) : list(text);
    if (Array.isArray(like[0])) {
      const points = name === "candidates", columns = points ? 2 : value.length;
      need((points || BINOMIAL[columns]) && value.every((r) => r.length === columns));
    }
    need(value.length >= (LEAST[name] ?? 1) && value.length <= (MOST[name] ?? 16));
    return value;
  }

  /** Take the state from the address if it is meant for this explorer; false if it is mangled. */
  function restore(model, { keys, choices, bounds }, el) {
    const parts = new URLSearchParams(location.hash.slice(1).replaceAll("+", "%2B"));
    if (parts.get("convsim") !== String(model.get("_index"))) return true;
    const patch = {};
    try {
      for (const k of keys) if (parts.has(k)) patch[k] = parse(k, parts.get(k), model.get(k), choices[k], bounds?.[k]);
    } catch {
      return false;
    }
    const next = (k) => patch[k] ?? model.get(k);
    if (next("kernel_1")?.length !== next("kernel_2")?.length) return false;
    if (next("kernel")?.length > next("signal")?.length) return false;
    for (const [k, value] of Object.entries(patch)) model.set(k, value);
    el.scrollIntoView({ block: "start" });
    return true;
  }

  function standIn(values) {
    const listeners = new Map();
    return {
      get: (k) => values[k],
      set(k, value) {
        const same = JSON.stringify(values[k]) === JSON.stringify(value);
        values[k] = value;
        if (!same) for (const listener of [...(listeners.get(`change:${k}`) ?? [])]) listener();
      },
      on: (event, listener) => listeners.set(event, [...(listeners.get(event) ?? []), listener]),
      off: (event, listener) => listeners.set(event, (listeners.get(event) ?? []).filter((l) => l !== listener)),
      save_changes() {},
    };
  }

  function mountAll() {
    document.querySelectorAll("div.convsim-explorer[data-explorer]").forEach((el, index) => {
      const kind = el.dataset.explorer, data = el.querySelector('script[type="application/json"]');
      if (el.dataset.mounted !== undefined || !data || !VIEWS[kind]) return;
      el.dataset.mounted = "";
      const model = standIn({ ...JSON.parse(data.textContent), _explorer: kind, _index: index });
      el.querySelector(".convsim-fallback")?.remove();
      render({ model, el });
      const go = () => {
        if (restore(model, VIEWS[kind], el)) return;
        el.querySelector(".convsim-footer .convsim-note").textContent = "This link cannot be read.";
      };
      go();
      addEventListener("hashchange", go);
    });
  }

  globalThis.convsimExplorers = { render, compute, mountAll };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", mountAll);
  else mountAll();
})();
