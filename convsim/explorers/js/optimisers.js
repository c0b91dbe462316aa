const { momentum: MOMENTUM } = EXPLORERS.normalization.constants;

/** @typedef {States["normalization"]["optimizer"]} OptimiserName */
/** What a step subtracts from w, divided by the learning rate.
 * @typedef {(gradient: number[], w: Point) => number[]} Direction */
/** begin: the first step of a descent, for the next ones remember it. The effective rate is
 * times · η/‖w‖^power.
 * @typedef {{ label: string, begin: () => Direction, times: number, power: number, about: string }} Optimiser */

/** p ← μ p + g, as in PyTorch.
 * @returns {Direction} */
function withMomentum() {
  let p = [0, 0];
  return (gradient) => (p = p.map((v, k) => MOMENTUM * v + gradient[k]));
}

/** The same, and no part of the step along w: it would only lengthen w (Heo et al., arXiv:2006.08217).
 * Their condition, a gradient orthogonal to w, always holds here.
 * @returns {Direction} */
function projected() {
  const next = withMomentum();
  return (gradient, w) => {
    const p = next(gradient, w), along = dot(w, p) / dot(w, w);
    return p.map((v, k) => v - along * w[k]);
  };
}

/** Adam with PyTorch's defaults.
 * @returns {Direction} */
function adam() {
  let mean = [0, 0], square = [0, 0], steps = 0;
  return (gradient) => {
    steps++;
    mean = mean.map((v, k) => 0.9 * v + 0.1 * gradient[k]);
    square = square.map((v, k) => 0.999 * v + 0.001 * gradient[k] ** 2);
    return mean.map((v, k) =>
      v / (1 - 0.9 ** steps) / (Math.sqrt(square[k] / (1 - 0.999 ** steps)) + 1e-8));
  };
}

const TIMES = 1 / (1 - MOMENTUM); // a gradient counts in every later step: 1 + μ + μ² + … times

/** @type {Record<OptimiserName, Optimiser>} */
const OPTIMISERS = {
  SGD: { label: "SGD", begin: () => (gradient) => gradient, times: 1, power: 2,
    about: "Every step leaves its circle along a tangent: ‖w‖ never falls, and the rate that counts, η/‖w‖², " +
      "never rises. A and B start with the same one, and so turn alike." },
  momentum: { label: `SGD with momentum ${MOMENTUM}`, begin: withMomentum, times: TIMES, power: 2,
    about: `With μ = ${MOMENTUM}, p ← μ p + g and w ← w − η p: a step goes on along earlier ones, which by now lead ` +
      `outwards. ‖w‖ never falls, and the rate that counts, η/((1 − μ)‖w‖²) = ${short(TIMES)} η/‖w‖², never ` +
      "rises. A and B start with the same one, and so turn alike." },
  SGDP: { label: "SGDP: momentum, projected", begin: projected, times: TIMES, power: 2,
    about: `With μ = ${MOMENTUM}, p ← μ p + g, and of the step −η p the part along w is left out: like SGD's, every ` +
      "step leaves its circle along a tangent. ‖w‖ never falls, and the rate that counts, " +
      `η/((1 − μ)‖w‖²) = ${short(TIMES)} η/‖w‖², never rises. A and B start with the same one, and so turn alike.` },
  Adam: { label: "Adam", begin: adam, times: 1, power: 1,
    about: "Adam's step does not grow with the gradient: the rate that counts is η/‖w‖. The step is no tangent " +
      "either, and ‖w‖ may fall. A and B start with the same rate, and turn alike but for Adam's ε = 10⁻⁸." },
};

/** @type {(optimiser: Optimiser, eta: number, length: number) => number} */
const effectiveRate = ({ times, power }, eta, length) => (times * eta) / length ** power;
/** η over a power of a norm, as text.
 * @type {(optimiser: Optimiser, length: string) => string} */
const rateOver = ({ power }, length) => `η/${length}${power === 2 ? "²" : ""}`;
