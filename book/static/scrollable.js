// What scrolls must be reachable from the keyboard (WCAG 2.1, 2.1.1). The theme looks once, when the
// page opens; a solution that unfolds, or a screen that turns, makes other things scroll.
addEventListener("DOMContentLoaded", () => {
  const sizes = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      const scrolls = target.scrollWidth > target.clientWidth || target.scrollHeight > target.clientHeight;
      if (scrolls) target.tabIndex = 0;
      else target.removeAttribute("tabindex");
    }
  });
  for (const box of document.querySelectorAll("pre, div.math, .text_html, .pst-scrollable-table-container"))
    sizes.observe(box);
});
