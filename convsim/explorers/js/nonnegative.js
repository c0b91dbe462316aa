// Non-negative least squares, as in SciPy.

/** z with K z = k on the rows and columns of `active` and 0 elsewhere, by Cholesky's
 * factorisation; null where K is singular there.
 * @param {number[]} active @param {number[][]} K @param {number[]} k */
function solveOn(active, K, k) {
  /** @type {number[][]} */
  const L = active.map(() => []);
  const z = k.map(() => 0), n = active.length;
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      const rest = K[active[i]][active[j]] - dot(L[i].slice(0, j), L[j]);
      if (i === j && rest < 1e-14) return null;
      L[i][j] = i === j ? Math.sqrt(rest) : rest / L[j][j];
    }
  }
  /** @type {number[]} */
  const y = [];
  for (let i = 0; i < n; i++) y[i] = (k[active[i]] - dot(y, L[i])) / L[i][i];
  for (let i = n - 1; i >= 0; i--) {
    let rest = y[i];
    for (let j = i + 1; j < n; j++) rest -= L[j][i] * z[active[j]];
    z[active[i]] = rest / L[i][i];
  }
  return z;
}

/** θ ≥ 0 that minimises ½ θᵀ K θ − kᵀ θ: the exact active-set method of Lawson and Hanson.
 * @param {number[][]} K @param {number[]} k */
function nonnegativeLeastSquares(K, k) {
  let theta = k.map(() => 0);
  /** @type {number[]} */
  let active = [];
  /** @type {number[]} */
  let refused = [];
  for (let round = 0; round < 100; round++) { // only rounding could keep it from an earlier end
    const gain = k.map((value, i) => value - dot(K[i], theta));
    const waiting = indices(k).filter((i) => gain[i] > 1e-13 && !active.includes(i) && !refused.includes(i));
    if (waiting.length === 0) break;
    const enters = waiting.reduce((best, i) => (gain[i] > gain[best] ? i : best));
    let trial = [...active, enters], z = solveOn(trial, K, k);
    if (z === null || z[enters] <= 0) { // as good as a combination of the others
      refused.push(enters);
      continue;
    }
    [theta, trial] = walked(theta, z, trial, K, k);
    [active, refused] = [trial, []];
  }
  return theta;
}

/** Go from θ towards z; what reaches zero on the way leaves.
 * @param {number[]} theta @param {number[]} z @param {number[]} trial @param {number[][]} K
 * @param {number[]} k
 * @returns {[number[], number[]]} the solution, and where it is not zero */
function walked(theta, z, trial, K, k) {
  for (;;) {
    const falling = trial.filter((i) => z[i] <= 0);
    if (falling.length === 0) return [z, trial];
    const shares = falling.map((i) => theta[i] / (theta[i] - z[i])), share = Math.min(...shares);
    const leaving = falling.filter((_, n) => shares[n] === share);
    theta = theta.map((t, i) => (leaving.includes(i) ? 0 : t + share * (z[i] - t)));
    trial = trial.filter((i) => !leaving.includes(i));
    z = /** @type {number[]} */ (solveOn(trial, K, k)); // part of what was regular is
  }
}

/** @type {(list: any[]) => number[]} */
const indices = (list) => list.map((_, i) => i);
