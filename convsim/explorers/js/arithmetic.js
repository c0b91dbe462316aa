// Kernels and signals. A signal is a grid with one row, so that one function serves one and two
// dimensions.

/** @typedef {{ h: number, w: number, v: number[] | Float64Array }} Grid h rows of w values in v */

/** @type {(v: number[]) => Grid} */
const row = (v) => ({ h: 1, w: v.length, v });
/** @type {(rows: number[][]) => Grid} */
const square = (rows) => ({ h: rows.length, w: rows.length, v: rows.flat() });

/** @param {ArrayLike<number>} a @param {ArrayLike<number>} b */
function dot(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

/** Full cross-correlation (Eq. 1b): entry (i, j) is lag (i − (k.h − 1), j − (k.w − 1)).
 * @param {Grid} x @param {Grid} k */
function correlate(x, k) {
  const h = x.h + k.h - 1, w = x.w + k.w - 1, v = new Float64Array(h * w);
  for (let i = 0; i < h; i++) {
    const top = i - k.h + 1;
    for (let a = Math.max(0, -top); a < k.h && top + a < x.h; a++) {
      for (let j = 0; j < w; j++) {
        const left = j - k.w + 1, end = Math.min(k.w, x.w - left);
        let sum = 0;
        for (let b = Math.max(0, -left); b < end; b++) {
          sum += x.v[(top + a) * x.w + left + b] * k.v[a * k.w + b];
        }
        v[i * w + j] += sum;
      }
    }
  }
  return { h, w, v };
}

/** X ⋆ X on the lags that a kernel correlated with its like can reach.
 * @param {Grid} x @param {number} reachH @param {number} reachW */
function autocorrelate(x, reachH, reachW) {
  const h = 2 * reachH + 1, w = 2 * reachW + 1, v = new Float64Array(h * w);
  for (let i = 0; i < h; i++) {
    for (let j = 0; j < w; j++) {
      const a = i - reachH, b = j - reachW;
      let sum = 0;
      for (let r = Math.max(0, a); r < Math.min(x.h, x.h + a); r++) {
        for (let c = Math.max(0, b); c < Math.min(x.w, x.w + b); c++) {
          sum += x.v[r * x.w + c] * x.v[(r - a) * x.w + c - b];
        }
      }
      v[i * w + j] = sum;
    }
  }
  return { h, w, v };
}

/** @type {(k: number[]) => number} */
const norm = (k) => Math.hypot(...k);
/** @type {(k: number[]) => number[]} */
const unit = (k) => scaled(k, 1 / norm(k));
/** @type {(k: number[], by: number) => number[]} */
const scaled = (k, by) => k.map((tap) => by * tap);
/** Cut at the end, or padded with zeros.
 * @type {(kernel: number[], N: number) => number[]} */
const resized = (kernel, N) => Array.from({ length: N }, (_, n) => kernel[n] ?? 0);

/** Undefined (null) when a kernel or a feature map is zero.
 * @param {ArrayLike<number>} a @param {ArrayLike<number>} b */
function cosine(a, b) {
  const norms = Math.sqrt(dot(a, a)) * Math.sqrt(dot(b, b));
  return norms > 0 ? dot(a, b) / norms : null;
}

/** The generator mulberry32 (Tommy Ettinger, public domain): numbers in [0, 1).
 * @param {number} seed @param {number} length */
function uniformNoise(seed, length) {
  return Array.from({ length }, () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), seed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  });
}

/** @type {(seed: number, count: number) => number[]} */
const randomTaps = (seed, count) => uniformNoise(seed, count).map(hundredths);
/** From [0, 1) to −1, −0.99, … 1.
 * @type {(v: number) => number} */
const hundredths = (v) => Math.round(200 * v - 100) / 100;

/** @typedef {[number, number]} Point in the plane */

/** @type {(radius: number, radians: number) => Point} */
const polar = (radius, radians) => [radius * Math.cos(radians), radius * Math.sin(radians)];
