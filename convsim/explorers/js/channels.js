/** A kernel of several channels as vertical sliders: an equaliser for each, all on one scale.
 * @param {string} name @param {string} pretty @param {string} className
 * @param {number} taps of a channel
 * @param {(n: number, value: number) => void} oninput n counts the taps of all channels */
function channelEqualisers(name, pretty, className, taps, oninput) {
  const limits = ["high", "zero", "low"].map((c) => h("span", { class: `convsim-limit-${c}` }));
  const channels = h("div", { class: "convsim-channels" });
  const node = h("div", { class: `convsim-equaliser ${className}`, role: "group", "aria-label": name },
    h("div", { class: "convsim-caption" }, h("strong", {}, pretty)),
    h("div", { class: "convsim-limits", "aria-hidden": "true" }, ...limits), channels);
  /** @type {{ node: HTMLElement, columns: TapColumn[] }[]} */
  const groups = [];
  const axis = tapAxis(node, limits, () => draw(now));
  /** @type {number[]} */
  let now = [];

  function add() {
    const c = groups.length, label = `${name} channel ${c + 1}`;
    const columns = Array.from({ length: taps }, (_, n) =>
      tapColumn(label, n, (at, value) => oninput(c * taps + at, value)));
    const group = h("div", { class: "convsim-channel", role: "group", "aria-label": label },
      h("div", { class: "convsim-taps" }, ...columns.map((column) => column.node)),
      h("span", { class: "convsim-label", "aria-hidden": "true" }, `channel ${c + 1}`));
    group.style.cssText = `--convsim-columns: ${taps}; --convsim-columns-narrow: ${taps}`;
    groups.push({ node: group, columns });
    channels.append(group);
  }

  /** @param {number[]} kernel its channels one after the other */
  function draw(kernel) {
    now = kernel;
    const limit = axis.follow(kernel, false);
    while (groups.length * taps < kernel.length) add();
    while (groups.length * taps > kernel.length) groups.pop()?.node.remove();
    groups.forEach(({ columns }, c) => columns.forEach((column, n) => column.draw(kernel[c * taps + n], limit)));
  }
  return { node, draw };
}
