// Draws the book's stored Plotly figures: in the page's colours, at the page's width, and only
// when one comes near the view or goes to paper, because Plotly is slow. Under a finger a figure in
// the text holds still, so that the page scrolls; a button opens it over the whole screen, to be
// explored.
(() => {
  const figures = new Map(); // div -> stored figure
  const script = document.currentScript.src;
  const settings = {
    displaylogo: false,
    responsive: true,
    modeBarButtonsToRemove: ["sendDataToCloud", "select2d", "lasso2d", "autoScale2d"],
  };
  const still = { ...settings, displayModeBar: false };
  const finger = matchMedia("(pointer: coarse)");
  let loading = null;

  function loadPlotly() {
    loading ??= new Promise((resolve, reject) => {
      const element = document.createElement("script");
      element.src = new URL("plotly-cartesian.min.js", script).href;
      element.onload = () => resolve(window.Plotly);
      element.onerror = () => reject(new Error(`cannot load ${element.src}`));
      document.head.append(element);
    });
    return loading;
  }

  function themed(stored, narrow) {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const text = colour("--pst-color-text-base");
    const line = colour("--pst-color-border");
    const layout = structuredClone(stored.layout);
    const axis = { gridcolor: line, zerolinecolor: line, linecolor: line, tickcolor: line };
    const clear = "rgba(0, 0, 0, 0)";
    delete layout.width;
    Object.assign(layout, { autosize: true, paper_bgcolor: clear, plot_bgcolor: clear });
    layout.uirevision = "kept"; // curves that the reader has hidden, and zoom, outlive a redraw
    layout.font = { ...layout.font, color: text };
    layout.hoverlabel = {
      ...layout.hoverlabel,
      bgcolor: colour("--pst-color-surface"),
      font: { ...layout.hoverlabel?.font, color: text },
    };
    const axes = Object.keys(layout).filter((key) => /^[xy]axis\d*$/.test(key));
    for (const key of new Set(["xaxis", "yaxis", ...axes]))
      layout[key] = { ...layout[key], ...axis, automargin: true };
    if (narrow) {
      layout.margin = { l: 40, r: 12, t: layout.title ? 60 : 24, b: 40, ...layout.meta?.narrow };
      layout.legend = { ...layout.legend, orientation: "h", x: 0, y: -0.2, xanchor: "left", yanchor: "top" };
    }
    return layout;
  }

  function plot(div, stored, held) {
    const layout = themed(stored, div.clientWidth < 520);
    if (held) {
      layout.dragmode = false;
      layout.legend = { ...layout.legend, itemclick: false, itemdoubleclick: false };
    }
    // Plotly writes into what it is given: hand it copies.
    window.Plotly.react(div, structuredClone(stored.data), layout, held ? still : settings);
    // The figure's name says what it shows; its axis numbers, read one by one, say nothing.
    for (const svg of div.querySelectorAll("svg.main-svg")) svg.setAttribute("aria-hidden", "true");
  }

  function draw(div) {
    div.classList.toggle("convsim-still", finger.matches);
    plot(div, figures.get(div), finger.matches);
    div.dataset.drawn = document.documentElement.dataset.theme;
  }

  function redraw() {
    for (const div of figures.keys()) if (div.dataset.drawn) draw(div);
  }

  function element(tag, attributes, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.append(...children);
    return node;
  }

  // A modal dialog takes the focus, keeps it, and closes with Escape.
  function enlarge(div) {
    const picture = element("div", { class: "convsim-enlarged-plot", role: "img" });
    picture.setAttribute("aria-label", div.getAttribute("aria-label") ?? "Figure");
    const close = element("button", { type: "button", class: "convsim-figure-button" }, "Close");
    const dialog = element("dialog", { class: "convsim-enlarged", "aria-label": "Enlarged figure" }, close, picture);
    const stored = structuredClone(figures.get(div));
    delete stored.layout.height;
    close.addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => {
      loadPlotly().then((Plotly) => Plotly.purge(picture));
      dialog.remove();
    });
    document.body.append(dialog);
    dialog.showModal();
    loadPlotly().then(() => plot(picture, stored, false));
  }

  const near = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries)
        if (isIntersecting) {
          near.unobserve(target);
          loadPlotly().then(() => draw(target));
        }
    },
    { rootMargin: "400px" },
  );

  for (const div of document.querySelectorAll(".convsim-plotly")) {
    figures.set(div, JSON.parse(div.nextElementSibling.textContent));
    const button = element("button", { type: "button", class: "convsim-figure-button convsim-enlarge" }, "Enlarge the figure");
    button.addEventListener("click", () => enlarge(div));
    div.nextElementSibling.after(button);
    near.observe(div);
  }

  new MutationObserver(redraw).observe(document.documentElement, {
    attributes: true,
    attributeFilter: ["data-theme"],
  });

  // A browser waits for nobody before it prints, so Plotly is fetched as soon as the page is there.
  addEventListener("beforeprint", () => {
    if (window.Plotly) for (const div of figures.keys()) draw(div);
  });
  addEventListener("afterprint", redraw);
  const idle = window.requestIdleCallback ?? setTimeout; // Safari has none
  if (figures.size) addEventListener("load", () => idle(() => loadPlotly()));
})();
