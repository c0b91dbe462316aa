/** Two equalisers, their number of taps, and the descent on both.
 * @param {PairView} view
 * @param {(which: 0 | 1, kernel: number[], N: number) => number[]} [fit] a kernel to another size */
function kernelPair(view, fit = (_, kernel, N) => resized(kernel, N)) {
  const descent = descentPanel(view);

  /** What a button does: it ends a running descent and the message about it.
   * @param {Record<string, any>} patch */
  function act(patch) {
    descent.halt("");
    view.set(patch);
  }

  /** @param {"kernel_1" | "kernel_2"} name */
  const change = (name) => (/** @type {number} */ n, /** @type {number} */ value) => {
    const kernel = view.state()[name].slice();
    kernel[n] = value;
    descent.change({ [name]: kernel });
  };
  const equalisers = [
    equaliser("K1", "K₁", "convsim-one", change("kernel_1")),
    equaliser("K2", "K₂", "convsim-two", change("kernel_2")),
  ];
  const taps = tapsSlider(view.traits.kernel_1, (N) => {
    const s = view.state();
    descent.change({ kernel_1: fit(0, s.kernel_1, N), kernel_2: fit(1, s.kernel_2, N) });
  });
  const count = inline(), node = h("div", { class: "convsim-kernels" }, ...equalisers.map((e) => e.node));
  whileHeld(node, descent.hold);

  /** @param {PairState} s */
  function draw(s) {
    const N = s.kernel_1.length;
    follow(taps, N);
    count.textContent = `N = ${N}`;
    equalisers[0].draw(s.kernel_1, descent.stepping());
    equalisers[1].draw(s.kernel_2, descent.stepping());
    node.classList.toggle("convsim-stacked", N > 8);
    descent.draw(s);
  }
  return { node, equalisers, taps: field("Taps", taps, count), descent, act, draw };
}
