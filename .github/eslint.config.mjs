// The recommended rules, and the names that a page gives to a script. They are listed, for among all
// those of a browser are `name`, `event` and `status`, which hide a variable that nothing defines.
import js from "../.venv/node_modules/@eslint/js/src/index.js";

const PAGE = ["addEventListener", "atob", "cancelAnimationFrame", "clearInterval", "clearTimeout", "document", "Element",
  "getComputedStyle", "history", "IntersectionObserver", "location", "matchMedia", "MutationObserver", "navigator",
  "queueMicrotask", "removeEventListener", "requestAnimationFrame", "ResizeObserver",
  "setInterval", "setTimeout", "structuredClone", "URL",
  "URLSearchParams", "window", "DOCUMENTATION_OPTIONS"]; // the last one is Sphinx's

export default [
  js.configs.recommended,
  {
    languageOptions: { sourceType: "script", globals: Object.fromEntries(PAGE.map((name) => [name, "readonly"])) },
    linterOptions: { reportUnusedDisableDirectives: "error" },
  },
];
