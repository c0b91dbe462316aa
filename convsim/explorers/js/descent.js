// Gradient descent on two kernels.

/** @typedef {{ kernel_1: number[], kernel_2: number[], loss: LossName, learning_rate: number }} PairState */
/** @typedef {States["similarity"]["loss"] | States["spectrum"]["loss"]} LossName */
/** What the views of two 1-d kernels have in common.
 * @typedef {{ kernel_1: { length: [number, number] }, learning_rate: Bounds, loss: { choices: LossName[] } }} PairTraits
 * @typedef {{ traits: PairTraits, state(): PairState, set(patch: Partial<PairState>): void, draw(): void }} PairView
 */

/** @typedef {(a: number[], b: number[]) => number[]} Gradient with respect to a */
/** @typedef {{ label: string, held?: boolean, value: (a: number[], b: number[]) => number | null, gradient: Gradient }} Loss
 * held: it is that of kernels at norm 1, and its descent keeps their norms */

/** The symmetric Toeplitz matrix of some lags, times a kernel.
 * @param {ArrayLike<number>} lags @param {number[]} a */
const toeplitz = (lags, a) =>
  a.map((_, i) => a.reduce((sum, tap, j) => sum + tap * lags[i - j + a.length - 1], 0));

/** The autocorrelation A = K ⋆ K of a kernel.
 * @param {number[]} k */
const own = (k) => autocorrelate(row(k), 0, k.length - 1).v;

/** @type {Record<LossName, Loss>} */
const LOSSES = {
  convolutional_similarity: {
    label: "Convolutional Similarity, ‖K₁ ⋆ K₂‖²",
    value: (a, b) => { const c = correlate(row(a), row(b)).v; return dot(c, c); },
    // ‖a ⋆ b‖² = ⟨a ⋆ a, b ⋆ b⟩ is quadratic in a, with the Toeplitz matrix of b ⋆ b
    gradient: (a, b) => scaled(toeplitz(own(b), a), 2),
  },
  kernel_similarity: {
    label: "Kernel similarity, ⟨K₁, K₂⟩²",
    value: (a, b) => dot(a, b) ** 2,
    gradient: (a, b) => scaled(b, 2 * dot(a, b)),
  },
  normalized: {
    label: "Normalised form, norms held",
    held: true,
    value: (a, b) => cosine(own(unit(a)), own(unit(b))),
    // A₂ without its part along A₁: the gradient is orthogonal to a, which only turns
    gradient: (a, b) => {
      const [A, B] = [[...own(a)], [...own(b)]], share = dot(A, B) / dot(A, A);
      return scaled(toeplitz(B.map((lag, n) => lag - share * A[n]), a), 2 / (norm(A) * norm(B)));
    },
  },
};

/** @param {PairState} s */
const lossOf = (s) => LOSSES[s.loss].value(s.kernel_1, s.kernel_2);

/** @param {PairState} s */
function descend({ kernel_1, kernel_2, loss, learning_rate: rate }) {
  const { gradient, held } = LOSSES[loss];
  /** @param {number[]} kernel @param {number[]} other */
  const move = (kernel, other) => {
    const from = held ? unit(kernel) : kernel, slope = gradient(from, held ? unit(other) : other);
    const to = from.map((tap, i) => tap - rate * slope[i]);
    return held ? scaled(unit(to), norm(kernel)) : to;
  };
  return { kernel_1: move(kernel_1, kernel_2), kernel_2: move(kernel_2, kernel_1) };
}

const UNDEFINED = "A kernel is zero, so the normalised form is undefined: there is nothing to descend.";

/** Take one step, and return the sentence about it.
 * @param {PairView} view */
function oneStep(view) {
  const s = view.state(), before = lossOf(s);
  if (before === null) return UNDEFINED;
  const next = descend(s), after = lossOf({ ...s, ...next });
  if (after === null || !(after < 1e12)) return "This step leads out of sight: choose a smaller step size.";
  view.set(next);
  return `One step: the loss went from ${show(before)} to ${show(after)}.`;
}

/** A descent from the state of the view, or the sentence that says why there is none.
 * @param {PairView} view */
function descentFrom(view) {
  let from = view.state(), now = from, begin = 0, last = 0, steps = 0;
  /** @param {PairState} s */
  const publish = ({ kernel_1, kernel_2 }) => view.set({ kernel_1, kernel_2 });
  /** @param {PairState} s */
  const text = (s) => JSON.stringify([s.kernel_1, s.kernel_2, s.loss, s.learning_rate]);

  /** Begin from the state of the view; the sentence that says why there is nothing to descend, if so. */
  function takeUp() {
    from = now = view.state();
    const value = lossOf(from);
    if (value === null) return UNDEFINED;
    const scale = LOSSES[from.loss].held ? 1 : dot(from.kernel_1, from.kernel_1) * dot(from.kernel_2, from.kernel_2);
    if (!(value > 1e-24 * scale)) return "The loss is already zero: there is nothing to descend.";
    [begin, last, steps] = [value, value, 0];
    return "";
  }

  /** Take some steps; the sentence that ends the run, or nothing while it goes on.
   * @param {number} count */
  const advance = (count) => {
    if (text(view.state()) !== text(now)) { // the reader, or Python, has pulled the kernels away
      const end = takeUp();
      if (end) return end;
    }
    for (let i = 0; i < count; i++) {
      const next = { ...now, ...descend(now) }, value = lossOf(next);
      steps++;
      if (value === null || !(value <= 10 * begin)) {
        publish(from);
        return `Diverged after ${steps} steps: the step size is too large. The kernels are back ` +
          "where they were; try a smaller one.";
      }
      const gain = Math.abs(last - value);
      [now, last] = [next, value];
      if (gain < 1e-7 * begin || steps === 3000) {
        publish(now);
        return `${steps === 3000 ? "Stopped" : "Converged"} after ${steps} steps: ` +
          `the loss went from ${show(begin)} to ${show(value)}.`;
      }
    }
    publish(now);
    return "";
  };
  return takeUp() || { advance, progress: () => `Step ${steps}: loss ${show(last)}` };
}

/** Gradient descent on both kernels: one step, or a run that ends by itself.
 * @param {PairView} view */
function descentPanel(view) {
  const { loss: losses, learning_rate: rates } = view.traits;
  const loss = select(losses.choices.map((name) => [name, LOSSES[name].label]), (name) => change({ loss: name }));
  const rate = numberInput({ min: rates.low, max: rates.high, step: "any", required: true },
    (value) => change({ learning_rate: value }));
  const run = button("Run", () => (frame ? halt("Stopped.") : start()));
  const message = h("p", { class: "convsim-note", role: "status" });
  let frame = 0, stepping = false, held = false;

  /** A change by the reader's hand: a descent that runs goes on from there.
   * @param {Partial<PairState>} patch */
  function change(patch) {
    if (!frame) message.replaceChildren();
    view.set(patch);
  }

  /** What moves the kernels in here is the descent, not the reader.
   * @param {() => string} step */
  function stepped(step) {
    stepping = true;
    const said = step();
    stepping = false;
    return said;
  }

  /** @param {string} text */
  function halt(text) {
    cancelAnimationFrame(frame);
    frame = 0;
    run.textContent = "Run";
    message.setAttribute("aria-live", "polite");
    message.replaceChildren(...subscripted(text));
    view.draw(); // the sliders' axes follow now
  }

  /** A descent that runs waits while a tap is held.
   * @param {boolean} by */
  const hold = (by) => { held = by; };

  function start() {
    const descent = descentFrom(view);
    if (typeof descent === "string") return halt(descent);
    const tick = () => {
      const end = held ? "" : stepped(() => descent.advance(2));
      if (end) return halt(end);
      message.textContent = held ? "Waiting while you hold a tap." : descent.progress();
      frame = requestAnimationFrame(tick);
    };
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return halt(stepped(() => descent.advance(3000)));
    run.textContent = "Stop";
    message.setAttribute("aria-live", "off"); // sixty announcements a second help nobody
    frame = requestAnimationFrame(tick);
  }

  const nodes = [
    h("div", { class: "convsim-row convsim-descent", role: "group", "aria-label": "Gradient descent" },
      field("Descend on", loss), field("Step size", rate), button("One step", () => halt(stepped(() => oneStep(view)))), run),
    message,
  ];
  /** @param {PairState} s */
  const draw = (s) => { loss.value = s.loss; follow(rate, s.learning_rate); };
  return { nodes, message, draw, halt, change, hold, stepping: () => stepping };
}
