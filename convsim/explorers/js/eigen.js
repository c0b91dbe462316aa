// Symmetric matrices, by Jacobi's rotations.

/** Eigenvalues, and orthonormal eigenvectors as rows.
 * @param {number[][]} matrix symmetric */
function eigen(matrix) {
  const A = matrix.map((r) => r.slice()), V = A.map((_, i) => A.map((_, j) => Number(i === j)));
  for (let sweep = 0, turned = true; turned && sweep < 30; sweep++) {
    turned = false;
    A.forEach((r, p) => r.forEach((_, q) => {
      if (q <= p || Math.abs(r[q]) <= 1e-17 * Math.sqrt(Math.abs(r[p] * A[q][q]))) return;
      turned = true;
      turn(A, V, p, q);
    }));
  }
  return { values: A.map((r, i) => r[i]), vectors: V };
}

/** Turn axes p and q of A until its entry p, q is 0, and with them the rows of V.
 * @param {number[][]} A @param {number[][]} V @param {number} p @param {number} q */
function turn(A, V, p, q) {
  const slope = (A[q][q] - A[p][p]) / (2 * A[p][q]);
  const t = (slope < 0 ? -1 : 1) / (Math.abs(slope) + Math.hypot(1, slope)), c = 1 / Math.hypot(1, t);
  /** @type {(a: number, b: number) => Point} */
  const mixed = (a, b) => [c * (a - t * b), c * (t * a + b)];
  for (const r of A) [r[p], r[q]] = mixed(r[p], r[q]);
  for (const M of [A, V]) M[p].forEach((a, j) => { [M[p][j], M[q][j]] = mixed(a, M[q][j]); });
  A[p][q] = A[q][p] = 0; // but for rounding it is
}

/** A^(-1/2) B.
 * @param {number[][]} A symmetric, positive definite @param {number[][]} B */
function inverseRootTimes(A, B) {
  const { values, vectors } = eigen(A), columns = B[0].map((_, j) => B.map((r) => r[j]));
  const inside = vectors.map((u, n) => columns.map((column) => dot(u, column) / Math.sqrt(values[n])));
  return A.map((_, i) => columns.map((_, j) => vectors.reduce((sum, u, n) => sum + u[i] * inside[n][j], 0)));
}
