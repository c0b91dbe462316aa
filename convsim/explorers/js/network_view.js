// What a reader sees of a network: pictures, matrices, maps, a pair of them, and the answer.

const WAYS = { none: "Nothing", scale: "Scale the weights", "orthogonal-kernels": "Make the kernels orthogonal",
  "orthogonal-maps": "Make the maps orthogonal", remove: "Remove the map most like the others" };
const STARTS = { default: "Default start", "algorithm-1": "Algorithm 1", scale: "Its scale alone", "scale-free": "Similarity, not scale",
  longer: "Default, 100 epochs", own: "Your own" };
const MATRICES = [["Kernels", "cosines"], ["L_CS", "⟨Aᵢ, Aⱼ⟩, normalised"], ["Feature maps", "cosines on this picture"]];

/** Paints numbers from −1 to 1, row by row, in the colours of signs.
 * @param {HTMLCanvasElement} node @param {number} side @param {(row: number, column: number) => number} at */
function paintSigns(node, side, at) {
  node.width = node.height = side;
  const context = /** @type {CanvasRenderingContext2D} */ (node.getContext("2d")), image = context.createImageData(side, side);
  const style = getComputedStyle(node), [positive, negative] = ["--convsim-one", "--convsim-two"].map((name) => {
    const hex = style.getPropertyValue(name).trim();
    return [1, 3, 5].map((from) => parseInt(hex.slice(from, from + 2), 16));
  });
  for (let i = 0, to = 0; i < side; i++) {
    for (let j = 0; j < side; j++, to += 4) {
      const v = at(i, j) || 0;
      image.data.set([...(v < 0 ? negative : positive), Math.round(255 * Math.min(1, Math.abs(v)))], to);
    }
  }
  context.putImageData(image, 0, 0);
}

/** Three planes as colours.
 * @param {HTMLCanvasElement} node @param {number} side @param {(channel: number, n: number) => number} level 0 to 1 */
function paintColours(node, side, level) {
  node.width = node.height = side;
  const context = /** @type {CanvasRenderingContext2D} */ (node.getContext("2d")), image = context.createImageData(side, side);
  for (let n = 0; n < side * side; n++) image.data.set([0, 1, 2].map((c) => Math.round(255 * level(c, n))).concat(255), 4 * n);
  context.putImageData(image, 0, 0);
}

/** Neighbours in a chain, each the most like the one before.
 * @param {number[][]} cosines */
function chained(cosines) {
  const left = new Set(cosines.keys()), order = [0];
  left.delete(0);
  while (left.size) {
    const row = cosines[order[order.length - 1]];
    let next = -1;
    for (const n of left) if (next < 0 || Math.abs(row[n] || 0) > Math.abs(row[next] || 0)) next = n;
    order.push(next);
    left.delete(next);
  }
  return order;
}

/** A canvas of its own shape, on which cells can be pointed at.
 * @param {string} label @param {(across: number, down: number) => void} told shares of its sides */
function pointable(label, told) {
  const node = h("canvas", { class: "convsim-canvas", role: "img", "aria-label": label, width: 1, height: 1,
    onclick: (/** @type {MouseEvent} */ { clientX, clientY }) => {
      const box = node.getBoundingClientRect();
      told((clientX - box.left) / box.width, (clientY - box.top) / box.height);
    } });
  node.style.cursor = "crosshair";
  return node;
}

/** @param {View<"network">} view */
function networkControls(view) {
  const { network, image, change, factor, layer } = view.traits;
  const which = select(network.choices.map((n) => [n, STARTS[n]]), (n) => view.set({ network: n }));
  const own = which.options[which.options.length - 1];
  own.hidden = own.disabled = view.state().network !== "own";
  const trained = select([["after", "after"], ["before", "before"]], (v) => view.set({ trained: v }));
  const picture = select(image.choices.map((n) => [n, n === "own" ? "Your own picture" : n[0].toUpperCase() + n.slice(1)]),
    (n) => view.set({ image: n }));
  const layers = select([], (n) => view.set({ layer: Number(n) }));
  const stage = select([["maps", "maps of the convolution"], ["activations", "what the next layer gets"]], (v) => view.set({ stage: v }));
  const centered = select([["raw", "as they are"], ["centered", "less their mean"]], (v) => view.set({ centered: v }));
  const way = select(change.choices.map((n) => [n, WAYS[n]]), (n) => view.set({ change: n }));
  const by = inline(), size = slider({ min: Math.log10(factor.low), max: Math.log10(factor.high), step: 0.01 },
    (v) => view.set({ factor: Number((10 ** v).toPrecision(3)) }));
  const scale = field("by", size, by);
  /** @param {NetworkState} s @param {number | undefined} count */
  function draw(s, count) {
    [which.value, trained.value, picture.value, stage.value, centered.value, way.value] =
      [s.network, s.trained, s.image, s.stage, s.centered, s.change];
    trained.disabled = s.network === "own";
    const most = count ?? Math.min(4, layer.high);
    if (layers.length !== most) {
      layers.replaceChildren(...Array.from({ length: most }, (_, n) => h("option", { value: n + 1 }, String(n + 1))));
    }
    layers.value = String(Math.min(s.layer, most));
    scale.hidden = s.change !== "scale";
    follow(size, Math.log10(s.factor));
    by.textContent = `× ${show(s.factor)}`;
    size.setAttribute("aria-valuetext", by.textContent);
  }
  const row = (/** @type {Node[]} */ ...nodes) => h("div", { class: "convsim-row" }, ...nodes);
  const nodes = [row(field("Network", which), field("Its training", trained), field("Picture", picture)),
    row(field("Layer", layers), field("Shown", stage), field("Maps", centered)),
    row(field("Change this layer", way), scale)];
  return { nodes, draw };
}

/** The kernels and maps of a pair, its three numbers, and in the first layer Eq. 11.
 * @param {View<"network">} view */
function pairDetail(view) {
  const numbers = view.traits.first, all = [0, 1].map((which) => ({
    input: numberInput({ min: numbers.low, max: numbers.high, step: 1, required: true },
      (v) => view.set(which ? { second: v } : { first: v })),
    kernel: canvas(""), map: canvas(""),
  }));
  const panel = readoutPanel({ pair_kernels: "Kernels' cosine", pair_similarity: "⟨A₁, A₂⟩, normalised", pair_maps: "Maps' cosine" },
    ["pair_kernels", "pair_similarity", "pair_maps"]);
  const heat = new Chart(220, view.draw), sum = h("p", { class: "convsim-note" });
  const eq = figure(heat.svg, h("strong", {}, "Eq. 11"), "for three channels: one cell a lag", key("convsim-bg-positive", "positive"),
    key("convsim-bg-negative", "negative"));
  /** @param {Measured} found @param {NetworkState} s */
  function draw({ kernels, rows: n, channels, pair, shown, readouts }, s) {
    all.forEach(({ input, kernel, map }, which) => {
      const at = pair[which], taps = kernels[at], { side, v } = shown;
      follow(input, which ? s.second : s.first);
      const first = channels === 3 ? "its three channels as red, green and blue" : `its first of ${channels} channels`;
      kernel.node.setAttribute("aria-label", `Kernel ${at + 1}, ${first}`);
      const peak = Math.max(...taps.map(Math.abs)) || 1;
      if (channels === 3) paintColours(kernel.node, n, (c, p) => 0.5 + taps[c * n * n + p] / peak / 2);
      else paintSigned(kernel, { h: n, w: n, v: taps.slice(0, n * n) });
      map.node.setAttribute("aria-label", `Feature map ${at + 1}`);
      paintSigned(map, { h: side, w: side, v: v.slice(at * side * side, (at + 1) * side * side) });
    });
    eq.hidden = sum.hidden = !readouts.lag_terms;
    if (readouts.lag_terms) {
      const terms = /** @type {number[][]} */ (readouts.lag_terms).flat(), peak = Math.max(...terms.map(Math.abs)) || 1;
      const total = terms.reduce((a, b) => a + b, 0), middle = terms[(terms.length - 1) / 2];
      drawHeat(heat, n, terms, peak, { lag_0: middle, other_lags: total - middle });
      sum.textContent = `⟨F₁, F₂⟩ = ${show(total)}: ${show(middle)} from lag (0, 0), where the cosine of the kernels looks, ` +
        `and ${show(total - middle)} from the others.`;
    }
    return panel.draw(readouts, () => 1);
  }
  const pictures = all.flatMap(({ kernel, map }, which) => [
    figure(kernel.node, key(which ? "convsim-bg-two" : "convsim-bg-one", `kernel ${which ? "K₂" : "K₁"}`)),
    figure(map.node, `map F${which ? "₂" : "₁"}`)]);
  const node = h("div", { class: "convsim-lag" }, h("div", { class: "convsim-row" },
    field("First of the pair", all[0].input), field("Second of the pair", all[1].input)),
  h("div", { class: "convsim-twins convsim-quartet" }, ...pictures), panel.lead, eq, sum);
  return { node, draw, stop: () => heat.stop() };
}

/** The names of the likeliest classes, as bars.
 * @param {string[]} classes @param {number[]} probabilities */
function answerBars(classes, probabilities) {
  return probabilities.map((p, n) => /** @type {const} */ ([p, classes[n]])).sort(([a], [b]) => b - a).slice(0, 3).map(([p, name]) => {
    const bar = h("span", { class: "convsim-bar convsim-bg-one" });
    bar.style.width = `${100 * p}%`;
    return h("div", { class: "convsim-class" }, h("span", {}, name), h("span", { class: "convsim-bar-ground" }, bar), h("span", {}, percent(p)));
  });
}

/** Loads what a state needs, once it is asked for.
 * @param {View<"network">} view */
function networkLoader(view) {
  const said = h("p", { class: "convsim-alive", role: "status" }), start = button("Load the network (150 KB)", () => ask());
  let asked = false;
  async function ask() {
    asked = true;
    said.textContent = "Loading …";
    try {
      await Promise.all([supply(supplyOf(view.state())), supply("pictures")]);
    } catch {
      said.textContent = "The network did not load: it lies beside this page, in _static/networks. Try again.";
      asked = false;
    }
    view.draw();
  }
  const node = h("div", { class: "convsim-row convsim-middle-row" }, start, said);
  /** @param {boolean} here */
  function draw(here) {
    node.hidden = here;
    start.hidden = asked;
    // A change of network in a notebook comes from Python; on a page it is one script more.
    if (!here && asked && !view.state().packed) ask();
  }
  return { node, draw };
}

/** @param {View<"network">} view */
function networkView(view) {
  const own = ownPicture({ side: PICTURE, channels: 3, take: (levels) => view.set({ own: levels, image: "own" }) });
  const meter = networkMeter(), controls = networkControls(view), pair = pairDetail(view), loader = networkLoader(view);
  const panel = readoutPanel({ kernel_cosine: "Kernels: mean |cos|", similarity: "Normalised L_CS", map_cosine: "Maps: mean |cos|",
    loss: "L_CS of the layer", moved: "Answer moved by" }, ["kernel_cosine", "similarity", "map_cosine"]);
  /** @type {Measured | null} */
  let now = null;
  /** @type {number[]} */
  let order = [];
  const sorted = h("input", { type: "checkbox", onchange: () => view.draw() });
  const pick = (/** @type {number} */ first, /** @type {number} */ second) => view.set({ first: first + 1, second: second + 1 });
  const matrices = MATRICES.map(([name]) => pointable(name, (x, y) => {
    if (now) pick(order[Math.floor(y * order.length)], order[Math.floor(x * order.length)]);
  }));
  const sheet = pointable("Feature maps", (x, y) => {
    if (!now) return;
    const across = Math.ceil(Math.sqrt(now.kernels.length)), n = Math.floor(y * across) * across + Math.floor(x * across);
    if (n < now.kernels.length) pick(n, view.state().second - 1);
  });
  const small = thumbnails((image) => view.set({ image }), own.choose);
  const photo = canvas(""), answer = h("div", { class: "convsim-classes" }), words = h("p", { class: "convsim-note" });
  const removed = h("p", { class: "convsim-note" });

  /** @param {NetworkState} s */
  function draw(s) {
    now = meter(s);
    controls.draw(s, now?.layers);
    own.draw(s.image === "own", s.own);
    loader.draw(now !== null);
    shown.hidden = !now;
    if (!now) return "The network is not loaded";
    const { matrices: values, readouts, shown: maps, packed, pixels } = now, count = maps.maps;
    order = sorted.checked ? chained(values[2]) : Array.from({ length: count }, (_, n) => n);
    matrices.forEach((node, m) => {
      paintSigns(node, count, (i, j) => values[m][order[i]][order[j]]);
      node.setAttribute("aria-label", `${MATRICES[m].join(", ")}: ${count} by ${count}`);
    });
    small.draw(now.pictures, s.image);
    paintColours(photo.node, PICTURE, (c, n) => pixels[c * PICTURE * PICTURE + n]);
    photo.node.setAttribute("aria-label", `The picture that the network gets: ${s.image}`);
    paintSheet(sheet, maps);
    sheet.setAttribute("aria-label", `${count} feature maps of ${maps.side} by ${maps.side}`);
    answer.replaceChildren(...answerBars(packed.classes, readouts.probabilities));
    words.textContent = /** @type {any} */ (packed).words ?? "";
    removed.textContent = readouts.removed ? `Removed: map ${readouts.removed}.` : "";
    const likeliest = packed.classes[readouts.probabilities.indexOf(Math.max(...readouts.probabilities))];
    return `${panel.draw(readouts, () => 1)}; ${pair.draw(now, s)}; likeliest: ${likeliest}`;
  }

  const shown = h("div", { class: "convsim-view-part" }, small.node,
    h("div", { class: "convsim-pictures" }, figure(photo.node, h("strong", {}, "The picture")),
      figure(answer, h("strong", {}, "The answer"), words), figure(sheet, h("strong", {}, "Maps"), "each on a scale of its own")),
    effect(h("div", { class: "convsim-triplet" }, ...matrices.map((node, m) =>
      figure(node, h("strong", {}, ...subscripted(MATRICES[m][0])), MATRICES[m][1]))), panel.lead),
    h("div", { class: "convsim-row convsim-middle-row" }, h("label", { class: "convsim-check" }, sorted, "Like maps side by side"),
      button("Find orthogonal kernels with like maps", () => { if (now) pick(...surprisingPair(now)); }),
      h("span", { class: "convsim-note" }, "Or point at a cell, or at a map.")),
    panel.node, removed, pair.node);
  return { nodes: [...controls.nodes, own.node, own.note, loader.node, shown], draw, stop: pair.stop, receive: own.receive, reset: own.reset };
}

/** All maps in a square, mid-grey where they are 0.
 * @param {HTMLCanvasElement} node @param {Maps} x */
function paintSheet(node, { maps, side, v }) {
  const across = Math.ceil(Math.sqrt(maps)), cell = side + 1, all = across * cell - 1;
  node.width = node.height = all;
  const context = /** @type {CanvasRenderingContext2D} */ (node.getContext("2d")), image = context.createImageData(all, all);
  const pixels = new Uint32Array(image.data.buffer);
  for (let n = 0; n < maps; n++) {
    const top = Math.floor(n / across) * cell, left = (n % across) * cell, map = v.subarray(n * side * side, (n + 1) * side * side);
    let most = 0;
    for (const value of map) most = Math.max(most, Math.abs(value));
    map.forEach((value, p) => {
      const grey = Math.round(127.5 + (127.5 * value) / (most || 1));
      pixels[(top + Math.floor(p / side)) * all + left + (p % side)] = 0xff000000 | (grey * 0x010101);
    });
  }
  context.putImageData(image, 0, 0);
}
