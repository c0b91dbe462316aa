// The plane of a query and its candidates: points, borders, and the hand that moves a point.

const NNK = EXPLORERS.nnk;
const MOST_POINTS = NNK.traits.candidates.rows[1], REACH = NNK.traits.query.high; // REACH: the size of a coordinate
const SLOTS = Array.from({ length: MOST_POINTS }, (_, i) => i); // places for candidates, taken or not

/** @type {(a: number[], b: number[]) => Point} */
const difference = (a, b) => [a[0] - b[0], a[1] - b[1]];
/** @param {number[]} a @param {number[]} b */
const squaredDistance = (a, b) => { const d = difference(a, b); return dot(d, d); };

/** Positive where p lies before the border of x, the line through x at a right angle to x − q;
 * negative behind it.
 * @param {number[]} p @param {number[]} x @param {number[]} q */
const before = (p, x, q) => dot(difference(x, q), difference(x, p));

/** The part of a convex polygon where an affine function of the point is not negative.
 * @param {Point[]} polygon @param {(p: Point) => number} height */
function clipped(polygon, height) {
  return polygon.flatMap((from, n) => {
    const to = polygon[(n + 1) % polygon.length], a = height(from), b = height(to);
    const kept = a >= 0 ? [from] : [];
    if (a < 0 !== b < 0) kept.push(/** @type {Point} */ (from.map((v, c) => v + (a / (a - b)) * (to[c] - v))));
    return kept;
  });
}

/** @type {(s: States["nnk"]) => number[][]} */
const pointsOf = ({ query, candidates }) => [query, ...candidates];
/** 0 is q, i + 1 candidate i.
 * @type {(number: number) => string} */
const nameOf = (number) => (number === 0 ? "q" : String(number));

/** @typedef {ReturnType<typeof pointHand>} Hand */

/** The point that the sliders and the pointer move.
 * @param {View<"nnk">} view */
function pointHand(view) {
  /** @param {number[]} at */
  function move(at) {
    const s = view.state();
    if (hand.moving === 0) view.set({ query: at });
    else view.set({ candidates: s.candidates.map((point, i) => (i === hand.moving - 1 ? at : point)) });
  }
  const which = select([], (number) => { hand.moving = Number(number); view.draw(); });
  const coordinates = ["x", "y"].map((name, c) => {
    const value = inline(), input = slider({ min: -REACH, max: REACH, step: 0.01 }, (v) =>
      move(pointsOf(view.state())[hand.moving].map((old, other) => (other === c ? v : old))));
    return { node: field(name, input, value), input, value };
  });
  /** @param {States["nnk"]} s */
  function draw(s) {
    const points = pointsOf(s);
    if (hand.moving >= points.length) hand.moving = 0;
    if (which.length !== points.length) {
      which.replaceChildren(...points.map((_, number) => h("option", { value: number }, nameOf(number))));
    }
    which.value = String(hand.moving);
    coordinates.forEach(({ input, value }, c) => {
      const at = points[hand.moving][c];
      follow(input, at);
      value.textContent = show(at, 2);
    });
  }
  const node = h("div", { class: "convsim-row convsim-move", role: "group", "aria-label": "Move a point" },
    field("Move point (or drag it)", which), ...coordinates.map((c) => c.node));
  const hand = { moving: 0, move, draw, node };
  return hand;
}

/** A point follows the pointer that grabbed it, at the distance at which it was grabbed.
 * @param {Chart} plane @param {View<"nnk">} view @param {Hand} hand */
function draggable(plane, view, hand) {
  /** @type {{ pointer: number, number: number, by: Point } | null} */
  let held = null;
  /** @param {PointerEvent} event */
  const at = (event) => {
    const [x, y] = plane.pixel(event), pixels = plane.x(1) - plane.x(0);
    return [(x - plane.x(0)) / pixels, (plane.y(0) - y) / pixels];
  };
  /** @param {Event} event */
  const onPoint = ({ target }) => target instanceof Element && target.classList.contains("convsim-grab");
  // a finger moves the point, not the page; Chromium heeds no touch-action on a circle
  plane.svg.addEventListener("touchstart", (event) => { if (onPoint(event)) event.preventDefault(); }, { passive: false });
  plane.svg.addEventListener("pointerdown", (event) => {
    if (held || event.button !== 0 || !onPoint(event)) return;
    const to = at(event), all = pointsOf(view.state()), far = all.map((point) => squaredDistance(point, to));
    const nearest = Math.min(...far);
    if (far[hand.moving] !== nearest) hand.moving = far.indexOf(nearest); // of points at one place the one moved last
    held = { pointer: event.pointerId, number: hand.moving, by: difference(all[hand.moving], to) };
    plane.svg.setPointerCapture(event.pointerId);
    event.preventDefault(); // no text is selected
    view.draw();
  });
  plane.svg.addEventListener("pointermove", (event) => {
    if (held?.pointer !== event.pointerId || held.number !== hand.moving) return;
    const { by } = held;
    hand.move(at(event).map((v, c) => onGrid(v + by[c])));
  });
  plane.svg.addEventListener("lostpointercapture", () => { held = null; });
}

const MARGIN = 14; // pixels around ±REACH

/** q and the points; widths: of the line from q to each, 0 for none, null where it is not among
 * the k nearest; borders: the points that have one.
 * @param {Chart} plane @param {States["nnk"]} s @param {number} moving @param {(number | null)[]} widths
 * @param {number[][]} borders */
function drawPlane(plane, s, moving, widths, borders) {
  const { query: q, candidates } = s, half = plane.width / 2, pixels = (half - MARGIN) / REACH;
  plane.begin();
  plane.x = (v) => half + pixels * v;
  plane.y = (v) => half - pixels * v;
  // all marks are made at the first draw, for they lie on one another in that order
  drawBorders(plane, q, half / pixels, borders);

  /** @type {(name: string, tag: "line" | "circle" | "text", shown: boolean, attributes: Attributes, text?: string) => void} */
  const put = (name, tag, shown, attributes, text) =>
    plane.put(name, tag, shown ? attributes : { display: "none" }, text);
  const [qx, qy] = [f(plane.x(q[0])), f(plane.y(q[1]))];
  /** @type {Point[]} */
  const place = SLOTS.map((i) => (candidates[i] ?? q)).map(([x, y]) => [f(plane.x(x)), f(plane.y(y))]);
  for (const i of SLOTS) {
    const [x, y] = place[i], width = widths[i] ?? 0;
    put(`spoke${i}`, "line", width > 0, { class: "convsim-spoke", x1: qx, y1: qy, x2: x, y2: y,
      "stroke-width": f(width) });
  }
  /** @typedef {[r: number, className: string, numberClass: string]} Look */
  /** @param {number} number @param {boolean} shown @param {Point} at @param {Look} look */
  const disc = (number, shown, [x, y], [r, className, numberClass]) => {
    put(`dot${number}`, "circle", shown, { class: className, cx: x, cy: y, r });
    put(`name${number}`, "text", shown, { class: numberClass, "text-anchor": "middle", x,
      y: r < 9 ? y - 9 : y + 4 }, nameOf(number));
  };
  /** @type {Look} */
  const outside = [4, "convsim-fill-other", "convsim-tick convsim-beside"];
  /** @type {Look} */
  const neighbour = [10, "convsim-fill-one", "convsim-number"];
  /** @type {Look} */
  const hidden = [10, "convsim-hollow", "convsim-number convsim-faded"];
  for (const i of SLOTS) {
    const width = widths[i], look = width === null ? outside : width > 0 ? neighbour : hidden;
    disc(i + 1, i < candidates.length, place[i], look);
  }
  disc(0, true, [qx, qy], [10, "convsim-fill-text", "convsim-number"]);
  const [x, y] = moving === 0 ? [qx, qy] : place[moving - 1];
  plane.put("moving", "circle", { class: "convsim-moving", cx: x, cy: y, r: 14 });
  /** @param {number} number @param {boolean} shown @param {Point} at */
  const grab = (number, shown, [cx, cy]) =>
    put(`grab${number}`, "circle", shown, { class: "convsim-grab", cx, cy, r: 18 });
  for (const i of SLOTS) grab(i + 1, i < candidates.length, place[i]);
  grab(0, true, [qx, qy]);
}

/** The grid, the border of each neighbour, and the polytope that they enclose.
 * @param {Chart} plane @param {number[]} q @param {number} edge of the picture @param {number[][]} borders */
function drawBorders(plane, q, edge, borders) {
  /** @param {number[][][]} list */
  const lines = (list) => list.map((ends) =>
    ends.map(([x, y], n) => `${n ? "L" : "M"}${f(plane.x(x))} ${f(plane.y(y))}`).join("")).join("");
  const grid = [-1, 0, 1].flatMap((v) => [[[v, -edge], [v, edge]], [[-edge, v], [edge, v]]]);
  plane.put("grid", "path", { class: "convsim-grid", d: lines(grid) });
  /** @type {Point[]} */
  const corners = [[-edge, -edge], [edge, -edge], [edge, edge], [-edge, edge]];
  const polytope = borders.reduce((left, x) => clipped(left, (p) => before(p, x, q)), corners);
  plane.put("polytope", "path", { class: "convsim-polytope", d: borders.length ? `${lines([polytope])}Z` : "" });
  plane.put("borders", "path", { class: "convsim-border", d: lines(borders.map((x) => {
    const [across, up] = scaled(unit(difference(x, q)), 4 * edge);
    return [[x[0] - up, x[1] + across], [x[0] + up, x[1] - across]];
  })) });
}
