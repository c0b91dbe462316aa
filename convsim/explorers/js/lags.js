// Eq. 11 lag by lag: its terms as bars, and K₂ laid over K₁ at one of them.

/** @typedef {{ caption: [string, string], lag_0: string, others: string, look: string, ask: string,
 *   told(lag: number, cross: string, input: string, term: string): string }} LagWords */

/** @type {LagWords} */
const LAG_WORDS = {
  caption: ["Eq. 11", "(K₁ ⋆ K₂)[n] · (X ⋆ X)[n], lag by lag:"],
  lag_0: "lag 0",
  others: "other lags",
  look: "Look at lag",
  ask: "Point at a bar, or choose a lag, to see K₂ laid over K₁ there.",
  told: (n, cross, input, term) => `Lag ${n}: the products of overlapping taps add up to (K₁ ⋆ K₂)[${n}] = ${cross}; ` +
    `times (X ⋆ X)[${n}] = ${input}, that is ${term}.`,
};

/** The bars, their running sum, and a look at one of them.
 * @param {() => void} redraw @param {LagWords} words */
function lagPanel(redraw, words) {
  const lags = new Chart(170, redraw), over = new Chart(84, redraw, 18), where = inline();
  const said = h("p", { class: "convsim-note convsim-lag-said", role: "status" });
  /** The lag that the reader looks at, if any.
   * @type {number | null} */
  let chosen = null;
  /** @param {number} lag */
  const look = (lag) => {
    if (chosen === lag) return;
    chosen = lag;
    redraw();
  };
  const slide = slider({ min: -1, max: 1 }, look);
  lags.pointed((n) => look(Math.max(Number(slide.min), Math.min(Number(slide.max), n - Number(slide.max)))));

  /** @param {ReturnType<typeof analyse>} analysed */
  function drawBars({ terms, readouts, sizes }) {
    let total = 0;
    const sums = terms.map((term) => (total += term));
    const last = terms.length - 1, middle = last / 2, others = indexed(terms).filter(([n]) => n !== middle);
    lags.axes(0, last, ...roundRange(terms, sums));
    const at = chosen === null ? null : chosen + middle;
    lags.put("chosen", "rect", at === null ? { display: "none" } : { class: "convsim-window", x: f(lags.x(at) - lags.step / 2),
      y: lags.top, width: f(lags.step), height: lags.height - lags.top - lags.bottom });
    lags.bars("others", "convsim-fill-other", others);
    lags.bars("lag0", "convsim-fill-lag0", [[middle, terms[middle]]]);
    lags.line("running", "convsim-line-text", indexed(sums));
    lags.dots("points", "convsim-fill-text", indexed(sums), 2);
    lags.dots("final", "convsim-final", [[last, total]], 5);
    lags.ticks(last > 0 ? [0, middle, last] : [0], (n) => n - middle);
    const tell = (/** @type {number} */ v) => show(v, undefined, sizes.sum);
    lags.end(`${words.caption[0]} as ${terms.length} bars: ${words.lag_0} gives ${tell(readouts.lag_0)}, ` +
      `the ${words.others} ${tell(readouts.other_lags)}, together ${tell(total)}`);
  }

  /** Both kernels where they lie at the chosen lag.
   * @param {number[]} k1 @param {number[]} k2 */
  function drawOver(k1, k2) {
    const N = k1.length, by = chosen ?? 0;
    /** @type {(kernel: number[], from: number, shift: number) => Point[]} */
    const side = (kernel, from, shift) => kernel.map((tap, n) => [n + from + shift, tap]);
    over.axes(1 - N, 2 * N - 2, ...roundRange(k1, k2));
    over.bars("k1", "convsim-fill-one", side(k1, 0, -0.2), 0.38);
    over.bars("k2", "convsim-fill-two", side(k2, by, 0.2), 0.38);
    over.ticks([0, N - 1]);
    over.end(`K2 laid over K1 at ${words.look.replace("Look at ", "")} ${by}`);
  }

  /** @param {ReturnType<typeof analyse>} analysed @param {number[]} k1 @param {number[]} k2 */
  function draw(analysed, k1, k2) {
    const reach = k1.length - 1;
    if (chosen !== null && Math.abs(chosen) > reach) chosen = null;
    [slide.min, slide.max] = [String(-reach), String(reach)];
    follow(slide, chosen ?? 0);
    where.textContent = minus(chosen ?? 0);
    drawBars(analysed);
    drawOver(k1, k2);
    if (chosen === null) said.textContent = words.ask;
    else {
      const { cross, lags: input, terms, sizes } = analysed, n = chosen + reach;
      said.textContent = words.told(chosen, show(cross.v[n], undefined, sizes.kernels), show(input.v[n]),
        show(terms[n], undefined, sizes.sum)).replaceAll("[-", "[−");
    }
  }
  const node = figure(lags.svg, h("strong", {}, words.caption[0]), words.caption[1], key("convsim-bg-lag0", words.lag_0),
    key("convsim-bg-other", words.others), key("convsim-final-swatch", "running sum, up to the end"));
  const detail = h("div", { class: "convsim-lag" }, field(words.look, slide, where),
    figure(over.svg, key("convsim-bg-one", "K₁"), key("convsim-bg-two", "K₂, moved")), said);
  return { nodes: [node, detail], draw, stop: () => [lags, over].forEach((c) => c.stop()) };
}
