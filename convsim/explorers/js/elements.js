// Elements of a page: controls under their names, pictures under their captions.

/** @typedef {HTMLElementTagNameMap & Pick<SVGElementTagNameMap, "svg" | "path" | "circle" | "rect" | "text" | "line">} Tags */
/** @typedef {Record<string, any>} Attributes what begins with "on" is a listener */

const SVG = new Set(["svg", "path", "circle", "rect", "text", "line"]);

/** @template {keyof Tags} T
 * @param {T} tag @param {Attributes} [attributes] @param {(Node | string)[]} children
 * @returns {Tags[T]} */
function h(tag, attributes = {}, ...children) {
  const node = SVG.has(tag)
    ? document.createElementNS("http://www.w3.org/2000/svg", tag)
    : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== false && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children);
  return /** @type {Tags[T]} */ (node);
}

/** @type {(text: string, onclick: () => void) => HTMLButtonElement} */
const button = (text, onclick) =>
  h("button", { type: "button", class: "convsim-button", onclick }, text);

/** A control under its name; what follows it in `beside` is not part of the name.
 * @param {string} text @param {HTMLElement} control @param {HTMLElement} [beside] */
function field(text, control, beside) {
  control.setAttribute("aria-label", text);
  return h("label", { class: "convsim-field" }, h("span", {}, text),
    beside ? h("span", { class: "convsim-pair" }, control, beside) : control);
}

/** @template {string} V
 * @param {[V, string][]} options @param {(value: V) => void} onchange */
function select(options, onchange) {
  const node = h("select", { class: "convsim-input", onchange: () => onchange(/** @type {V} */ (node.value)) },
    ...options.map(([value, text]) => h("option", { value }, text)));
  return node;
}

/** A number input that reports only numbers within its bounds and marks anything else.
 * @param {Attributes} attributes @param {(value: number) => void} oninput */
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

/** A range input. What a finger on its thumb wants is known once it moves: sideways, or on with the
 * page, which takes it over (pointercancel); until then no number moves.
 * @param {Attributes} attributes @param {(value: number) => void} oninput */
function slider(attributes, oninput) {
  let before = "", start = NaN, scrolling = false; // start: where a finger is that may yet scroll
  function decide() {
    if (Number.isNaN(start)) return;
    start = NaN;
    if (input.value !== before) oninput(Number(input.value));
  }
  const input = h("input", { type: "range", class: "convsim-range", step: 1, ...attributes,
    oninput: () => {
      if (scrolling) input.value = before; // it may come after the end of the touch
      else if (Number.isNaN(start)) oninput(Number(input.value));
    },
    onpointerdown: (/** @type {PointerEvent} */ { pointerType, clientX }) => {
      scrolling = false;
      before = input.value;
      start = pointerType === "touch" ? clientX : NaN;
    },
    onpointermove: (/** @type {PointerEvent} */ { clientX }) => {
      if (Math.abs(clientX - start) > 6) decide();
    },
    onpointerup: decide,
    onkeydown: () => { scrolling = false; },
    onpointercancel: () => {
      start = NaN;
      scrolling = true;
      input.value = before;
    } });
  return input;
}

/** Tell when a hand takes hold of a slider in a node, and when it lets go.
 * @param {HTMLElement} node @param {(by: boolean) => void} told */
function whileHeld(node, told) {
  const ends = ["pointerup", "pointercancel"];
  const release = () => {
    for (const end of ends) removeEventListener(end, release);
    told(false);
  };
  node.addEventListener("pointerdown", ({ target }) => {
    if (!(target instanceof Element && target.matches("input"))) return;
    for (const end of ends) addEventListener(end, release);
    told(true);
  });
}

/** What the controls above it move; on a narrow screen it stays in view beside them.
 * @param {Node[]} nodes */
const effect = (...nodes) => h("div", { class: "convsim-effect" }, ...nodes);

/** What is not needed at first.
 * @param {string} summary @param {Node[]} nodes */
const more = (summary, ...nodes) => h("details", { class: "convsim-more" }, h("summary", {}, summary), ...nodes);

/** @typedef {{ low: number, high: number }} Bounds */

const inline = () => h("span", { class: "convsim-inline-value" });
/** How many taps a kernel has.
 * @type {(trait: { length: [number, number] }, oninput: (value: number) => void) => HTMLInputElement} */
const tapsSlider = ({ length: [min, max] }, oninput) => slider({ min, max }, oninput);
/** @type {(trait: Bounds, oninput: (value: number) => void) => HTMLInputElement} */
const seedInput = ({ low, high }, oninput) =>
  numberInput({ min: low, max: high, step: 1, required: true }, oninput);

/** Follow the state, but leave alone what the reader is typing.
 * @param {HTMLInputElement} input @param {number} value */
function follow(input, value) {
  if (input.value !== "" && Number(input.value) === value) return;
  if (input === document.activeElement && input.type === "number" && input.value === "") return;
  input.value = String(value);
  input.removeAttribute("aria-invalid");
}

/** @param {Node} content @param {(Node | string)[]} caption */
const figure = (content, ...caption) =>
  h("div", { class: "convsim-figure", role: "group" },
    h("div", { class: "convsim-caption" }, ...caption), content);
/** @param {string} className @param {Node | string} text */
const key = (className, text) =>
  h("span", { class: "convsim-key" }, h("span", { class: `convsim-swatch ${className}` }), text);

/** L_CS with a real subscript; the digits have subscript characters of their own.
 * @type {(text: string) => (Node | string)[]} */
const subscripted = (text) => text.split(/_(CS)/).map((part, i) => (i % 2 ? h("sub", {}, part) : part));
