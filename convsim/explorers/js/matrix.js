// A matrix as coloured cells.

/** A chart as high as it is wide.
 * @param {() => void} redraw @param {number} [most] pixels */
function squareChart(redraw, most) {
  const chart = new Chart(240, redraw);
  chart.svg.style.cssText = `height: auto; aspect-ratio: 1; ${most ? `max-width: ${most}px` : ""}`;
  return chart;
}

/** Every number as a colour and, where there is room, in digits; nothing for no matrix.
 * @param {Chart} chart @param {number[][] | null} rows of a square matrix
 * @param {number} peak the size that has the full colour @param {string} label */
function drawMatrix(chart, rows, peak, label) {
  chart.begin();
  rows?.forEach((r, i) => r.forEach((v, j) => {
    const cell = chart.width / r.length, share = Math.min(1, Math.abs(v) / peak), across = (j + 0.5) * cell;
    chart.put(`cell${i},${j}`, "rect", { class: v < 0 ? "convsim-negative" : "convsim-positive", rx: 3,
      x: f(j * cell + 1), y: f(i * cell + 1), width: f(cell - 2), height: f(cell - 2), "fill-opacity": f(share) });
    if (r.length > 4) return;
    const style = `font-size: ${cell < 40 ? 10 : 12}px`;
    chart.put(`text${i},${j}`, "text", { class: share > 0.7 ? "convsim-number" : "convsim-tick convsim-strong",
      "text-anchor": "middle", x: f(across), y: f((i + 0.5) * cell + 4), style }, show(v, 2));
  }));
  chart.end(label);
}
