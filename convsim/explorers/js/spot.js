// A pixel of the feature maps, the patch of the input that it comes from, and its sum.

/** A picture with a frame over a part of it.
 * @param {HTMLElement} picture @param {HTMLElement} frame */
const marked = (picture, frame) => h("div", { class: "convsim-marked" }, picture, frame);

/** Put a frame around rows and columns of a picture; what lies outside is cut.
 * @param {HTMLElement} frame @param {Grid} grid @param {number} top @param {number} left @param {number} size */
function place(frame, { h: height, w: width }, top, left, size) {
  /** @type {(at: number, all: number) => string} */
  const share = (at, all) => `${(100 * Math.min(all, Math.max(0, at))) / all}%`;
  frame.style.cssText = `top: ${share(top, height)}; left: ${share(left, width)}; ` +
    `bottom: ${share(height - top - size, height)}; right: ${share(width - left - size, width)}`;
}

/** @param {ReturnType<typeof canvas>[]} maps @param {() => void} redraw */
function pixelSpot(maps, redraw) {
  const marks = [0, 1, 2].map(() => h("span", { class: "convsim-frame", "aria-hidden": "true" }));
  const said = h("p", { class: "convsim-note", role: "status" }), patch = canvas("The patch under the kernels");
  /** The pixel that the reader looks at, if any.
   * @type {[row: number, column: number] | null} */
  let chosen = null;
  let last = 0; // row and column of a map

  /** @param {number} i @param {number} j */
  function look(i, j) {
    chosen = [i, j];
    redraw();
  }
  const inputs = ["Row", "Column"].map((name, axis) => {
    const input = numberInput({ min: 0, max: 0, step: 1, required: true }, (v) => {
      const [i, j] = chosen ?? [0, 0];
      if (axis) look(i, v);
      else look(v, j);
    });
    return { input, node: field(name, input) };
  });
  for (const { node } of maps) {
    const at = (/** @type {MouseEvent} */ { clientX, clientY }) => {
      const box = node.getBoundingClientRect();
      const [i, j] = [(clientY - box.top) / box.height, (clientX - box.left) / box.width]
        .map((share) => Math.min(last, Math.max(0, Math.floor(share * (last + 1)))));
      if (chosen?.[0] !== i || chosen[1] !== j) look(i, j);
    };
    node.addEventListener("pointermove", (event) => { if (event.pointerType !== "touch") at(event); });
    node.addEventListener("click", at);
  }

  /** @param {Grid} x @param {Grid[]} results @param {number[][][]} kernels */
  function draw(x, results, kernels) {
    const n = kernels[0].length;
    last = results[0].h - 1;
    if (chosen && Math.max(...chosen) > last) chosen = null;
    inputs.forEach(({ input }, axis) => {
      input.max = String(last);
      if (chosen) follow(input, chosen[axis]);
      else input.value = "";
    });
    for (const mark of marks) mark.hidden = !chosen;
    patch.node.hidden = !chosen;
    if (!chosen) {
      said.textContent = "Point at a pixel of a feature map, or give its row and column, to see the patch it comes from.";
      return;
    }
    const [i, j] = chosen, top = i - n + 1, left = j - n + 1;
    place(marks[0], x, top, left, n);
    results.forEach((map, which) => place(marks[which + 1], map, i, j, 1));
    const under = kernels[0].map((r, a) => r.map((_, b) => valueAt(x, top + a, left + b)));
    patch.paint(square(under), (v) => 255 * v);
    said.textContent = `The patch at rows ${minus(top)} to ${i} and columns ${minus(left)} to ${j}, zero outside the input, ` +
      kernels.map((_, which) => `times K${"₁₂"[which]} and added up is F${"₁₂"[which]}[${i}, ${j}] = ` +
        show(results[which].v[i * results[which].w + j])).join(", ") + ".";
  }
  const node = h("div", { class: "convsim-row convsim-spot", role: "group", "aria-label": "Look at a pixel" },
    ...inputs.map((c) => c.node), patch.node, said);
  return { node, marks, draw };
}

/** Zero outside.
 * @param {Grid} grid @param {number} i @param {number} j */
const valueAt = ({ h: height, w, v }, i, j) => (i < 0 || j < 0 || i >= height || j >= w ? 0 : v[i * w + j]);
