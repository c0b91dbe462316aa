// What a symbol or a numbered equation is, beside it, for whoever points at it, taps it or, with the
// keyboard, comes to the link of an equation. book/terms.py writes what is said. Symbols are no
// stops of the Tab key: there are hundreds, and the notation page lists them all.
addEventListener("DOMContentLoaded", () => {
  const data = document.getElementById("convsim-terms");
  if (!data) return;
  const said = new Map(Object.entries(JSON.parse(data.textContent)));
  const tip = document.createElement("div");
  tip.className = "convsim-preview";
  tip.id = "convsim-preview";
  tip.role = "tooltip";
  tip.hidden = true;
  document.body.append(tip);
  let timer = 0, shown = null;

  const termOf = (target) => target instanceof Element && target.closest('.convsim-term, a.reference.internal[href*="#equation-"]');
  const nameOf = (term) => term.dataset.term ?? term.hash.slice(1);

  function hide() {
    clearTimeout(timer);
    tip.hidden = true;
    shown?.removeAttribute("aria-describedby");
    shown = null;
  }

  /** @param {Element} term @param {number} after milliseconds */
  function later(term, after) {
    clearTimeout(timer);
    timer = setTimeout(() => show(term), after);
  }

  async function show(term) {
    const text = said.get(nameOf(term));
    if (text === undefined || term === shown) return;
    hide();
    shown = term;
    window.MathJax?.typesetClear?.([tip]);
    const words = document.createElement("span");
    words.className = "math notranslate nohighlight";
    words.textContent = text;
    const head = term.cloneNode(true); // the symbol, as it stands
    tip.replaceChildren(...(term.dataset.term ? [head, ": "] : []), words);
    tip.hidden = false;
    await window.MathJax?.typesetPromise?.([words]);
    if (shown !== term) return;
    place(term);
    if (term.matches("a")) term.setAttribute("aria-describedby", tip.id);
  }

  function place(term) {
    const at = term.getBoundingClientRect(), box = tip.getBoundingClientRect(), edge = 8;
    const width = document.documentElement.clientWidth, below = at.bottom + box.height + edge < window.innerHeight;
    tip.style.left = `${window.scrollX + Math.max(edge, Math.min(at.left, width - box.width - edge))}px`;
    tip.style.top = `${window.scrollY + (below ? at.bottom : at.top - box.height)}px`;
  }

  addEventListener("pointerover", ({ target, pointerType }) => {
    if (pointerType === "touch") return;
    const term = termOf(target);
    if (term) later(term, 250);
    else if (tip.contains(target)) clearTimeout(timer);
    else if (shown) {
      clearTimeout(timer);
      timer = setTimeout(hide, 250); // time to reach it
    } else clearTimeout(timer);
  });
  addEventListener("click", ({ target }) => {
    const term = termOf(target);
    if (term?.dataset.term && !tip.contains(term)) show(term);
    else if (!tip.contains(target)) hide();
  });
  addEventListener("focusin", ({ target }) => { const term = termOf(target); if (term) later(term, 0); });
  addEventListener("focusout", hide);
  addEventListener("keydown", ({ key }) => { if (key === "Escape") hide(); });
});
