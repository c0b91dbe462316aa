// The norms of two kernels as a point, and the hyperbola that gradient flow would keep it on.

/** ‖K₁‖² − ‖K₂‖² = constant, from a start down to the axis where the smaller norm is zero.
 * @param {Point} start
 * @returns {Point[]} */
function hyperbola([first, second]) {
  const small = Math.min(first, second), rest = Math.max(first, second) ** 2 - small ** 2;
  return Array.from({ length: 25 }, (_, n) => {
    const less = small * (1 - n / 24), more = Math.sqrt(rest + less * less);
    return first < second ? [less, more] : [more, less];
  });
}

/** A small phase portrait: start, hyperbola, the way from the start, and where the norms are now.
 * @param {() => void} redraw */
function phasePortrait(redraw) {
  const chart = new Chart(220, redraw, 34), difference = h("span");
  /** @type {Point[]} */
  let way = [];

  /** Kernels from elsewhere begin a new way; a step of the descent goes on with the old one.
   * @param {boolean} onward @param {Point} now */
  function follow(onward, now) {
    const last = way.at(-1), same = (/** @type {Point} */ p) => p[0] === now[0] && p[1] === now[1];
    if (last && same(last)) return;
    if (!onward || !last || same(way[0])) way = [now];
    else {
      const close = way.length > 2 && Math.hypot(...way[way.length - 2].map((v, i) => v - now[i]));
      if (close !== false && close < Math.max(...way[0]) / 300) way.pop(); // less than a pixel
      way.push(now);
    }
  }

  function drawAxes(/** @type {number} */ edge) {
    const { left, right, top, bottom, height, width } = chart, foot = height - bottom, end = width - right;
    chart.x = (v) => left + (v / edge) * (end - left);
    chart.y = (v) => foot - (v / edge) * (foot - top);
    /** @param {string} name @param {string} anchor @param {number} x @param {number} y @param {string} text */
    const text = (name, anchor, x, y, text) =>
      chart.put(name, "text", { class: "convsim-tick", x, y, "text-anchor": anchor }, text);
    [0, edge].forEach((v, i) => {
      const x = chart.x(v), y = chart.y(v), kind = i ? "convsim-grid" : "convsim-axis";
      chart.put(`across${i}`, "line", { class: kind, x1: left, x2: end, y1: y, y2: y });
      chart.put(`up${i}`, "line", { class: kind, x1: x, x2: x, y1: top, y2: foot });
      text(`left${i}`, "end", left - 6, y + 4, short(v));
      text(`foot${i}`, i ? "end" : "middle", x, foot + 16, short(v));
    });
    text("first", "middle", chart.x(edge / 2), foot + 18, "‖K₁‖");
    text("second", "end", left - 6, chart.y(edge / 2) + 4, "‖K₂‖");
  }

  /** @param {boolean} onward @param {number[]} a @param {number[]} b */
  function draw(onward, a, b) {
    /** @type {Point} */
    const now = [norm(a), norm(b)];
    follow(onward, now);
    const [start] = way, gap = ([x, y] = now) => show(x * x - y * y);
    chart.begin();
    drawAxes(roundRange(way.flat())[1]);
    chart.line("kept", "convsim-mean", hyperbola(start));
    chart.line("way", "convsim-line-one", way.length > 2 ? way : []); // two points are no way
    chart.dots("start", "convsim-start", [start], 5);
    chart.dots("now", "convsim-final", [now], 5);
    difference.textContent = `‖K₁‖² − ‖K₂‖²: ${gap(start)} at the start, ${gap()} now`;
    chart.end(`Norms of the kernels: K1 ${show(start[0])} and K2 ${show(start[1])} at the start, ` +
      `${show(now[0])} and ${show(now[1])} now. Difference of their squares: ${gap(start)} at the ` +
      `start, ${gap()} now. A dashed hyperbola shows where it stays the same.`);
  }
  const node = figure(chart.svg, h("strong", {}, "The two norms"), key("convsim-start-swatch", "start"),
    key("convsim-final-swatch", "now"), key("convsim-mean-swatch", "‖K₁‖² − ‖K₂‖² as at the start"), difference);
  node.classList.add("convsim-phase");
  return { node, draw, stop: () => chart.stop() };
}
