// One explorer on a page or in a notebook: state in, picture out.

/** What anywidget gives, and a static page has a stand-in for.
 * @typedef {object} Model
 * @property {(name: string) => any} get
 * @property {(name: string, value: any) => void} set
 * @property {(event: string, listener: () => void) => void} on
 * @property {(event: string, listener: () => void) => void} off
 * @property {() => void} save_changes
 */

/** What a drawing sees of its explorer: its traits as Python declares them, and its state.
 * @template {Kind} K
 * @typedef {{ traits: (typeof EXPLORERS)[K]["traits"], state(): States[K],
 *   set(patch: Partial<States[K]>): void, draw(): void, keep(): void }} View
 */

/** What js/<kind>.js adds to DRAWINGS. `build` makes the nodes once; its `draw` shows a state and
 * returns the sentence to announce. `compute` gives the numbers, with the keys of Python's
 * readouts(). A state that is not `consistent` is neither drawn nor taken from a link. What is
 * `light` has no row of its own to reset and to share it: it is kept in the page's address.
 * @template {Kind} K
 * @typedef {object} Drawing
 * @property {string} title
 * @property {string} [about] what one is looking at, in a line or two
 * @property {(state: States[K]) => Readouts} compute
 * @property {(view: View<K>) => Built<States[K]>} build
 * @property {(state: States[K]) => boolean} [consistent]
 * @property {boolean} [light]
 */

/**
 * @template S
 * @typedef {{ nodes: Node[], draw: (state: S) => string, stop?: () => void, reset?: () => void,
 *   receive?: (picture: Blob) => void }} Built
 */

const LOOKING = "What am I looking at?";

/** @type {{ [K in Kind]?: Drawing<K> }} */
const DRAWINGS = {};
/** @type {(kind: Kind) => Drawing<any>} */
const drawingOf = (kind) => /** @type {Drawing<any>} */ (DRAWINGS[kind]);

/** The numbers of an explorer.
 * @param {Kind} kind @param {any} state */
const compute = (kind, state) => drawingOf(kind).compute(state);

/** Draw an explorer into an element. Returns what takes it down again.
 * @param {{ model: Model, el: Element }} place */
function render({ model, el }) {
  /** @type {Kind} */
  const kind = model.get("_explorer");
  const { name, traits } = EXPLORERS[kind], { title, about, build, consistent, light } = drawingOf(kind);
  const names = Object.keys(traits), keys = settable(traits), index = model.get("_index");
  const state = () => Object.fromEntries(names.map((k) => [k, model.get(k)]));
  const made = state(), live = announcer(() => sentence);
  let shared = made, setting = false, gone = false, sentence = ""; // shared: by the link that the page came with
  /** @param {Record<string, any>} patch */
  const begin = (patch) => { built.reset?.(); view.set(patch); };

  /** @type {View<any>} */
  const view = {
    traits,
    state,
    set(patch) {
      setting = true;
      for (const [k, value] of Object.entries(patch)) model.set(k, value);
      setting = false;
      model.save_changes();
      view.draw();
      tell();
    },
    keep() {
      if (index !== undefined) history.replaceState(history.state, "", address(index));
    },
    draw() {
      const s = state();
      if (gone || consistent?.(s) === false) return;
      sentence = built.draw(s);
      if (index === undefined) link.text.value = python(name, keys, s);
      else for (const { renew } of ON_PAGE.values()) renew();
    },
  };
  const link = linkRow(index !== undefined, () => begin(shared));
  const tell = () => {
    link.note.textContent = "";
    live.announce();
  };
  const arrived = atOnce(() => { if (!gone) { view.draw(); tell(); } });
  const changed = () => { if (!setting) arrived(); };
  const taken = () => { shared = state(); }; // from a link
  const built = build(view);
  const root = frame(kind, title, [...triesRow(model.get("examples"), (patch) => begin({ ...made, ...patch })),
    ...built.nodes, ...(about ? [more(LOOKING, h("p", {}, ...subscripted(about)))] : []),
    light ? link.note : link.node, live.node]);
  if (built.receive) receiving(root, built.receive);
  el.append(root);
  if (index !== undefined) {
    const stage = presenter(el, root, title, () => view.draw());
    link.node.append(stage.button);
    ON_PAGE.set(index, {
      part: (always) => (always || keys.some((k) => write(model.get(k)) !== write(made[k]))
        ? section(index, keys, state(), stage.isOpen()) : ""),
      renew: () => { link.text.value = address(index); },
      present: stage.open,
    });
  }
  for (const k of names) model.on(`change:${k}`, changed);
  model.on("change:_taken", taken);
  view.draw();

  return () => {
    gone = true;
    live.stop();
    for (const k of names) model.off(`change:${k}`, changed);
    model.off("change:_taken", taken);
    built.stop?.();
    root.remove();
  };
}

/** Things to try, as buttons.
 * @param {Record<string, Record<string, any>> | undefined} examples @param {(patch: Record<string, any>) => void} begin */
function triesRow(examples, begin) {
  const buttons = Object.entries(examples ?? {}).map(([label, patch]) => button(label, () => begin(patch)));
  if (!buttons.length) return [];
  return [h("div", { class: "convsim-row convsim-middle-row", role: "group", "aria-label": "Things to try" },
    h("span", { class: "convsim-note" }, "Try:"), ...buttons)];
}

/** Shows an explorer over the whole window, in large type: it moves into a dialog, and back.
 * @param {Element} el @param {HTMLElement} root @param {string} title @param {() => void} redraw */
function presenter(el, root, title, redraw) {
  const stage = h("dialog", { class: "convsim-stage", "aria-label": title, onclose: () => {
    el.prepend(root);
    turn("Fill the window");
    toggle.focus();
  } });
  /** @param {string} text */
  const turn = (text) => {
    toggle.textContent = text;
    redraw();
  };
  const open = () => {
    if (stage.open) return;
    stage.append(root);
    stage.showModal();
    toggle.focus({ preventScroll: true });
    turn("Back to the page");
  };
  const toggle = button("Fill the window", () => (stage.open ? stage.close() : open()));
  el.append(stage);
  return { button: toggle, open, isOpen: () => stage.open };
}

/** The box around an explorer.
 * @param {Kind} kind @param {string} title @param {Node[]} nodes */
function frame(kind, title, nodes) {
  // JupyterLab takes the arrow keys, Enter and more from a focused control that does not say this.
  const onfocusin = (/** @type {{ target: Element }} */ { target }) =>
    target.setAttribute("data-lm-suppress-shortcuts", "true");
  return h("div", { class: `convsim-view convsim-${kind}`, role: "group", "aria-label": title, onfocusin }, ...nodes);
}

/** Announces what a change led to, once a drag has come to rest.
 * @param {() => string} sentence */
function announcer(sentence) {
  const node = h("p", { class: "convsim-unseen", "aria-live": "polite" });
  let timer = 0;
  const stop = () => clearTimeout(timer);
  const announce = () => {
    stop();
    timer = setTimeout(() => { node.textContent = sentence(); }, 700);
  };
  return { node, announce, stop };
}

/** Call once for all the calls of one message.
 * @param {() => void} action */
function atOnce(action) {
  let queued = false;
  return () => {
    if (queued) return;
    queued = true;
    queueMicrotask(() => {
      queued = false;
      action();
    });
  };
}

/** The last row of an explorer: Reset, and its state as a link or as a constructor call.
 * @param {boolean} onPage @param {() => void} reset */
function linkRow(onPage, reset) {
  const text = h("input", { class: "convsim-input convsim-link", readonly: "",
    "aria-label": onPage ? "Link to this state" : "Constructor call", onfocus: () => text.select() });
  const note = h("span", { class: "convsim-note convsim-of-link", role: "status" });
  const copy = () => {
    text.select();
    const done = () => { note.textContent = "Copied."; };
    const failed = () => { note.textContent = "Select the text and copy it."; };
    if (navigator.clipboard) navigator.clipboard.writeText(text.value).then(done, failed);
    else failed();
  };
  const node = h("div", { class: "convsim-row convsim-footer" },
    button("Reset", reset), button(onPage ? "Copy link" : "Copy as Python", copy), text, note);
  return { node, text, note };
}

/** A model without a kernel behind it.
 * @param {Record<string, any>} values
 * @returns {Model} */
function standIn(values) {
  /** @type {Map<string, (() => void)[]>} */
  const listeners = new Map();
  return {
    get: (k) => values[k],
    set(k, value) {
      const same = JSON.stringify(values[k]) === JSON.stringify(value);
      values[k] = value;
      if (!same) for (const listener of [...(listeners.get(`change:${k}`) ?? [])]) listener();
    },
    on: (event, listener) => { listeners.set(event, [...(listeners.get(event) ?? []), listener]); },
    off: (event, listener) => { listeners.set(event, (listeners.get(event) ?? []).filter((l) => l !== listener)); },
    save_changes() {},
  };
}

/** Draw every explorer of a static page that is not drawn yet. */
function mountAll() {
  /** @type {NodeListOf<HTMLElement>} */
  const all = document.querySelectorAll("div.convsim-explorer[data-explorer]");
  const counts = { "": 0, q: 0 }; // those that are light apart, lest a new question change old links
  all.forEach((el) => {
    const kind = /** @type {Kind} */ (el.dataset.explorer), series = DRAWINGS[kind]?.light ? "q" : "";
    const index = `${series}${counts[series]++}`, data = el.querySelector('script[type="application/json"]');
    if (el.dataset.mounted !== undefined || !data?.textContent || !DRAWINGS[kind]) return;
    el.dataset.mounted = "";
    const model = standIn({ ...JSON.parse(data.textContent), _explorer: kind, _index: index });
    el.querySelector(".convsim-fallback")?.remove();
    render({ model, el });
    const go = () => {
      const note = el.querySelector(".convsim-of-link");
      if (!restore(model, kind, el) && note) note.textContent = "This link cannot be read.";
      else model.set("_taken", location.hash);
    };
    go();
    addEventListener("hashchange", go);
  });
}

/** What the joined script ends with: offer what a notebook needs, and mount a page's explorers. */
function start() {
  Object.assign(globalThis, { convsimExplorers: { render, compute, mountAll, take } });
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", mountAll);
  else mountAll();
}
