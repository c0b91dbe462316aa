/** @typedef {{ node: SVGElement, now: Record<string, any> }} Mark and the attributes it has */

/** A picture whose marks are made once and then moved: put(name, …) makes or updates a mark. */
class Chart {
  width = 640;
  left = 46;
  right = 14;
  top = 10;
  step = 0;
  /** The pixel of a number across, and of one upwards.
   * @type {(v: number) => number} */
  x = (v) => v;
  /** @type {(v: number) => number} */
  y = (v) => v;
  /** @type {Map<string, Mark>} */
  #marks = new Map();
  /** @type {Set<string>} */
  #used = new Set();
  /** @type {ResizeObserver} */
  #observer;

  /** @param {number} height @param {() => void} redraw @param {number} [bottom] */
  constructor(height, redraw, bottom = 20) {
    this.height = height;
    this.bottom = bottom;
    const svg = this.svg = h("svg", { class: "convsim-chart", role: "img", height });
    // real pixels rather than a scaled view box, so that type stays legible on a phone
    this.#observer = new ResizeObserver(() => {
      const width = Math.round(svg.clientWidth);
      if (width > 0 && width !== this.width) { this.width = width; redraw(); }
    });
    this.#observer.observe(svg);
  }

  begin() {
    this.#used = new Set();
  }

  /** @param {number} first @param {number} last @param {number} low @param {number} high */
  axes(first, last, low, high) {
    this.begin();
    const { left, right, top, bottom, height } = this, across = this.width - left - right;
    const step = this.step = across / Math.max(1, last - first + 1);
    this.x = (n) => left + (n - first + 0.5) * step;
    this.y = (v) => top + ((high - v) / (high - low)) * (height - top - bottom);
    for (const [name, v] of /** @type {[string, number][]} */ ([["low", low], ["zero", 0], ["high", high]])) {
      if (v === 0 && name !== "zero") continue;
      this.put(`${name}-line`, "line", {
        class: name === "zero" ? "convsim-axis" : "convsim-grid",
        x1: left, x2: this.width - right, y1: this.y(v), y2: this.y(v),
      });
      this.put(`${name}-text`, "text",
        { class: "convsim-tick", x: left - 6, y: this.y(v) + 4, "text-anchor": "end" }, short(v));
    }
  }

  /** @param {string} name @param {"path" | "circle" | "rect" | "text" | "line"} tag
   * @param {Attributes} attributes @param {string} [text] */
  put(name, tag, attributes, text) {
    let mark = this.#marks.get(name);
    if (!mark) {
      mark = { node: h(tag), now: {} };
      this.#marks.set(name, mark);
      this.svg.append(mark.node);
    }
    this.#used.add(name);
    for (const [key, value] of Object.entries({ display: "inline", ...attributes })) {
      if (mark.now[key] !== value) mark.node.setAttribute(key, (mark.now[key] = value));
    }
    if (text !== undefined && mark.now.text !== text) mark.node.textContent = mark.now.text = text;
  }

  /** @param {number[]} positions @param {(n: number) => number | string} [name] */
  ticks(positions, name = String) {
    const y = this.height - 5;
    positions.forEach((n, i) => this.put(`x${i}`, "text",
      { class: "convsim-tick", x: this.x(n), y, "text-anchor": "middle" }, minus(name(n))));
  }

  /** Hide what was not put again.
   * @param {string} label */
  end(label) {
    for (const [name, mark] of this.#marks) {
      if (!this.#used.has(name) && mark.now.display !== "none") {
        mark.node.setAttribute("display", (mark.now.display = "none"));
      }
    }
    this.svg.setAttribute("aria-label", label);
  }

  /** Bars from zero, as one path.
   * @param {string} name @param {string} className @param {Point[]} pairs @param {number} [share] */
  bars(name, className, pairs, share = 0.7) {
    const half = Math.max(1, this.step * share) / 2, zero = this.y(0);
    const d = pairs.map(([n, v]) => {
      const x = this.x(n), y = this.y(v);
      return `M${f(x - half)} ${f(zero)}V${f(y)}H${f(x + half)}V${f(zero)}Z`;
    });
    this.put(name, "path", { class: className, d: d.join("") || "M0 0" });
  }

  /** @param {string} name @param {string} className @param {Point[]} pairs */
  line(name, className, pairs) {
    const d = pairs.map(([n, v], i) => `${i ? "L" : "M"}${f(this.x(n))} ${f(this.y(v))}`);
    this.put(name, "path", { class: className, d: d.join("") });
  }

  /** @param {string} name @param {string} className @param {Point[]} pairs */
  area(name, className, pairs) {
    const d = pairs.map(([n, v]) => `L${f(this.x(n))} ${f(this.y(v))}`).join("");
    this.put(name, "path", { class: className, d: `M${f(this.x(pairs[0][0]))} ${f(this.y(0))}${d}V${f(this.y(0))}Z` });
  }

  /** @param {string} name @param {string} className @param {Point[]} pairs @param {number} [r] */
  dots(name, className, pairs, r = 3) {
    const d = pairs.map(([n, v]) =>
      `M${f(this.x(n) - r)} ${f(this.y(v))}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0`);
    this.put(name, "path", { class: className, d: d.join("") || "M0 0" });
  }

  /** Tell the place across that a mouse is over, or a finger taps, as a whole number.
   * @param {(n: number) => void} told */
  pointed(told) {
    const at = (/** @type {MouseEvent} */ event) => told(Math.round(this.#across(event)));
    this.svg.addEventListener("pointermove", (event) => { if (event.pointerType !== "touch") at(event); });
    this.svg.addEventListener("click", at);
  }

  /** @param {MouseEvent} event */
  #across(event) {
    return (this.pixel(event)[0] - this.x(0)) / this.step;
  }

  /** Where in the picture a pointer is, whatever the page's zoom.
   * @param {MouseEvent} event
   * @returns {Point} */
  pixel({ clientX, clientY }) {
    const box = this.svg.getBoundingClientRect(), zoom = box.width / this.width;
    return [(clientX - box.left) / zoom, (clientY - box.top) / zoom];
  }

  stop() {
    this.#observer.disconnect();
  }
}
