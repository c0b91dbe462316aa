// MathJax, the largest file of a page, comes when the explorers and all else are there: the page has
// its script with a type that no browser runs (mathjax_options in _config.yml).
addEventListener("DOMContentLoaded", () => {
  for (const held of document.querySelectorAll('script[type="text/later"]')) {
    const script = document.createElement("script");
    script.src = held.src;
    held.replaceWith(script);
  }
});
