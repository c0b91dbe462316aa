// A picture of the reader's own: chosen, dropped, pasted or drawn. It is read in the page, which
// sends it nowhere, and no link holds it.

/** @typedef {1 | 3} Channels grey, or red, green and blue */

/** What a channel takes of red, green and blue; grey is that of ITU-R BT.601.
 * @type {Record<Channels, number[][]>} */
const MIXES = { 1: [[0.299, 0.587, 0.114]], 3: [[1, 0, 0], [0, 1, 0], [0, 0, 1]] };
/** The colours to draw with, as CSS calls them.
 * @type {Record<Channels, string[]>} */
const BRUSHES = { 1: ["black", "gray", "white"], 3: ["black", "gray", "white", "red", "orange", "green", "blue", "brown"] };

/** Levels as base64; what is none is brought to the nearest.
 * @param {number[]} levels */
const encode = (levels) => window.btoa(String.fromCharCode(...Uint8ClampedArray.from(levels)));

/** The middle square of a picture file over the whole canvas, on white.
 * @param {CanvasRenderingContext2D} context @param {Blob} file */
async function paintFile(context, file) {
  const image = h("img", { src: URL.createObjectURL(file) });
  await image.decode().finally(() => URL.revokeObjectURL(image.src));
  const { naturalWidth: w, naturalHeight: height } = image, square = Math.min(w, height), side = context.canvas.width;
  context.imageSmoothingQuality = "high";
  context.fillStyle = "white";
  context.fillRect(0, 0, side, side);
  context.drawImage(image, (w - square) / 2, (height - square) / 2, square, square, 0, 0, side, side);
}

/** Lines that follow the pointer, as wide as an eighth of the canvas.
 * @param {CanvasRenderingContext2D} context @param {() => string} brush @param {() => void} drawn */
function followPointer(context, brush, drawn) {
  const { canvas: node } = context;
  /** @type {{ pointer: number, x: number, y: number } | null} */
  let held = null;
  /** @param {PointerEvent} event */
  function stroke({ pointerId: pointer, clientX, clientY }) {
    const box = node.getBoundingClientRect(), pixel = node.width / box.width;
    const x = (clientX - box.left) * pixel, y = (clientY - box.top) * pixel, from = held ?? { x, y };
    held = { pointer, x, y };
    Object.assign(context, { lineCap: "round", lineWidth: node.width / 8, strokeStyle: brush() });
    context.beginPath();
    context.moveTo(from.x, from.y);
    context.lineTo(x + 0.01, y); // a line of no length would leave no dot
    context.stroke();
    drawn();
  }
  node.addEventListener("pointerdown", (event) => {
    if (held || event.button !== 0) return;
    node.setPointerCapture(event.pointerId);
    stroke(event);
  });
  node.addEventListener("pointermove", (event) => { if (held?.pointer === event.pointerId) stroke(event); });
  node.addEventListener("lostpointercapture", () => { held = null; });
}

/** The control. What it takes in, and draws, are whole levels from 0 to 255 in base64, row by row,
 * one channel after the other. An explorer that returns its `receive` takes a picture that is
 * dropped or pasted anywhere on it.
 * @param {{ side: number, channels: Channels, take: (levels: string) => void }} options
 * @param {HTMLElement | string} [mark] over the picture @param {(HTMLElement | string)[]} beside more controls */
function ownPicture({ side, channels, take }, mark = "", ...beside) {
  const node = h("canvas", { class: "convsim-canvas convsim-own", role: "img", width: side, height: side,
    "aria-label": `Your own picture, ${side} by ${side} pixels` });
  const context = /** @type {CanvasRenderingContext2D} */ (node.getContext("2d", { willReadFrequently: true }));
  const note = h("p", { class: "convsim-note", role: "status" });
  let shown = "";

  function told() {
    const { data } = context.getImageData(0, 0, side, side), pixels = Array.from({ length: side * side }, (_, n) => 4 * n);
    const levels = MIXES[channels].flatMap((mix) => pixels.map((at) => dot(mix, data.subarray(at))));
    note.textContent = "";
    shown = encode(levels);
    take(shown);
  }
  /** @param {Blob} picture */
  async function read(picture) {
    try {
      await paintFile(context, picture);
    } catch {
      note.textContent = "This file cannot be read as a picture.";
      return;
    }
    told();
  }
  const file = h("input", { type: "file", accept: "image/*", class: "convsim-input", onchange: () => {
    const chosen = file.files?.[0];
    if (chosen) read(chosen);
  } });
  const forget = () => { file.value = ""; }; // it names what is no longer there
  const brush = select(BRUSHES[channels].map((name) => [name, name]), () => {});
  followPointer(context, () => brush.value, () => { forget(); told(); });
  const clear = button("Clear", () => {
    forget();
    context.fillStyle = "white";
    context.fillRect(0, 0, side, side);
    told();
  });
  // a click on it brings the focus here, which a picture must have to be pasted
  const box = h("div", { class: "convsim-own-row", role: "group", "aria-label": "Your own picture", tabindex: -1 },
    h("div", { class: "convsim-own-frame" }, node, mark),
    h("div", { class: "convsim-own-ways" },
      h("span", { class: "convsim-note" }, "Draw on the square, drop or paste a picture, or choose a file. " +
        "It is read in this page, and left out of its link."),
      field("Picture file", file),
      h("div", { class: "convsim-row" }, field("Brush", brush), clear), ...beside));

  /** @param {boolean} visible @param {string} levels */
  function draw(visible, levels) {
    box.hidden = !visible;
    if (!visible || levels === shown) return;
    shown = levels;
    const image = context.createImageData(side, side), bytes = window.atob(levels), size = side * side;
    for (let n = 0; n < size; n++) {
      const colour = [0, 1, 2].map((c) => bytes.charCodeAt((c % channels) * size + n));
      image.data.set([...colour, 255], 4 * n);
    }
    context.putImageData(image, 0, 0);
  }
  const receive = (/** @type {Blob} */ picture) => { forget(); read(picture); };
  const reset = () => { file.value = note.textContent = ""; };
  const choose = () => file.click();
  return { node: box, note, draw, receive, reset, choose };
}

/** Let an explorer take pictures that are dropped or pasted on it.
 * @param {HTMLElement} root @param {(picture: Blob) => void} receive */
function receiving(root, receive) {
  /** @param {boolean} over */
  const mark = (over) => root.classList.toggle("convsim-over", over);
  /** @param {Event} event @param {DataTransfer | null} data */
  const come = (event, data) => {
    const picture = data?.files[0];
    if (!picture) return;
    event.preventDefault();
    receive(picture);
  };
  root.addEventListener("dragover", (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    mark(true);
  });
  root.addEventListener("dragleave", () => mark(false));
  root.addEventListener("drop", (event) => {
    mark(false);
    come(event, event.dataTransfer);
  });
  root.addEventListener("paste", (event) => come(event, event.clipboardData));
}
