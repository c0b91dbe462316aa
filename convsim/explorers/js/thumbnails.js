// The ten pictures of the explorer of networks, small, as buttons, and one for the reader's own.

/** A row of pictures to choose from; `draw` makes it once the pictures have come.
 * @param {(name: States["network"]["image"]) => void} chosen @param {() => void} ask for a file */
function thumbnails(chosen, ask) {
  const node = h("div", { class: "convsim-row convsim-thumbnails", role: "group", "aria-label": "Pictures" });
  /** @type {HTMLButtonElement[]} */
  let all = [];
  /** @param {string} pictures base64 @param {string} shown the name of the one in use */
  function draw(pictures, shown) {
    if (!all.length) {
      all = DRAWN.map((name, n) => {
        const small = h("canvas", { width: PICTURE, height: PICTURE, "aria-hidden": "true" }), pixels = pixelsOf(pictures, n);
        paintColours(small, PICTURE, (c, p) => pixels[c * PICTURE * PICTURE + p]);
        return h("button", { type: "button", class: "convsim-thumbnail", "aria-label": name, title: name, onclick: () => chosen(name) }, small);
      });
      node.append(...all, button("Your own …", ask));
    }
    all.forEach((one, n) => one.setAttribute("aria-pressed", String(DRAWN[n] === shown)));
  }
  return { node, draw };
}
