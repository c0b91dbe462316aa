// On paper a page is light, as wide as the paper, and whole: plotly_figures.js, which comes later,
// draws every figure so. Folded solutions stay out of print (paper.css), which
// makes a sheet of exercises; `printWithSolutions`, a button at the top of a page, unfolds them first.
(() => {
  const root = document.documentElement;
  let theme = null; // that of the screen, while the page is on paper

  function fit() {
    for (const wide of document.querySelectorAll("main table, div.math > mjx-container")) {
      const room = wide.parentElement.clientWidth, width = wide.getBoundingClientRect().width;
      if (width > room) wide.style.zoom = room / width;
    }
  }

  addEventListener("beforeprint", () => {
    theme ??= root.dataset.theme;
    Object.assign(root.dataset, { theme: "light", paper: "on" });
    fit();
  });

  addEventListener("afterprint", () => {
    root.dataset.theme = theme;
    delete root.dataset.paper;
    theme = null;
    for (const wide of document.querySelectorAll("main table, mjx-container")) wide.style.zoom = "";
  });

  window.printWithSolutions = () => {
    const folded = [...document.querySelectorAll(".solution.toggle-hidden .toggle-button")];
    const turn = () => folded.forEach((button) => button.click());
    turn();
    addEventListener("afterprint", turn, { once: true });
    window.print();
  };
})();
