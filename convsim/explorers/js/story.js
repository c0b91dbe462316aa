// Five seconds in which a kernel leaves another, and its feature map does not.

const STORY_KERNEL = [1, 1, 1, 0, 0, 0], STORY_SHIFT = 3; // moved as far, it is orthogonal to itself
const STORY_SECONDS = 5, STORY_REST = 1.2; // at first both kernels are one

/** A kernel moved to the right; between two places, some of each.
 * @param {number[]} kernel @param {number} shift */
function movedBy(kernel, shift) {
  const whole = Math.floor(shift), part = shift - whole;
  return kernel.map((_, n) => (1 - part) * (kernel[n - whole] ?? 0) + part * (kernel[n - whole - 1] ?? 0));
}

/** How far K₂ is after some seconds; without motion it is at one end, and then at the other.
 * @param {number} seconds @param {boolean} still */
function storyShift(seconds, still) {
  const share = Math.min(1, Math.max(0, (seconds - STORY_REST) / (STORY_SECONDS - STORY_REST)));
  return STORY_SHIFT * (still ? Math.round(share) : share);
}

/** The button that tells it, to be stopped by any touch or key.
 * @param {View<"similarity">} view @param {(text: string) => void} say */
function storyButton(view, say) {
  let frame = 0, begun = 0, said = "";
  const node = button("Show me", () => (frame ? stop("Stopped: the dots are yours.") : start()));
  /** @param {string} text */
  function tell(text) {
    if (text !== said) say(text); // a sentence is announced once
    said = text;
  }
  /** @param {string} text */
  function stop(text) {
    if (!frame) return;
    cancelAnimationFrame(frame);
    frame = 0;
    node.textContent = "Show me";
    for (const kind of ["pointerdown", "keydown"]) removeEventListener(kind, touched, true);
    tell(text);
  }
  /** @param {Event & { key?: string }} event */
  function touched({ target, key }) {
    const pressed = key === undefined || key === "Enter" || key === " ";
    if (target !== node || !pressed) stop(""); // else the button does
  }
  /** @param {boolean} still */
  function tick(still) {
    if (String(view.state().kernel_1) !== String(STORY_KERNEL)) return stop(""); // from a link, or from Python
    const seconds = (window.performance.now() - begun) / 1000, shift = storyShift(seconds, still);
    const kernel_2 = movedBy(STORY_KERNEL, shift);
    if (String(view.state().kernel_2) !== String(kernel_2)) view.set({ kernel_2 });
    if (shift === STORY_SHIFT) return stop("The kernels have nothing in common now, and their cosine is 0. The feature maps are still alike.");
    tell(shift === 0 ? "K₂ is K₁: two equal kernels, two equal feature maps."
      : "K₂ moves away from K₁. The cosine of the kernels falls, that of the maps hardly does.");
    frame = requestAnimationFrame(() => tick(still));
  }
  function start() {
    [begun, said] = [window.performance.now(), ""];
    view.set({ input: "photograph", kernel_1: STORY_KERNEL, kernel_2: STORY_KERNEL });
    node.textContent = "Stop";
    const root = node.closest(".convsim-explorer"); // kernels and maps at once
    if (root && root.getBoundingClientRect().top < 0) root.scrollIntoView({ block: "start" });
    for (const kind of ["pointerdown", "keydown"]) addEventListener(kind, touched, true);
    tick(matchMedia("(prefers-reduced-motion: reduce)").matches);
  }
  return { node, stop: () => stop("") };
}
