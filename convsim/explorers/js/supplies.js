// What is too long for every page, loaded when it is asked for: a classic script beside this one,
// which calls convsimExplorers.take, because pages opened from disk may not fetch.

/** @type {Map<string, any>} */
const SUPPLIES = new Map();
/** Those under way.
 * @type {Map<string, Promise<void>>} */
const COMING = new Map();
const HERE = document.currentScript?.getAttribute("src") ? /** @type {HTMLScriptElement} */ (document.currentScript).src : "";

/** @param {string} name @param {any} value */
const take = (name, value) => { SUPPLIES.set(name, value); };

/** Loads what `take` is then called with.
 * @param {string} name
 * @returns {Promise<void>} */
function supply(name) {
  if (SUPPLIES.has(name)) return Promise.resolve();
  const coming = COMING.get(name) ?? new Promise((resolve, reject) => {
    const fail = () => {
      COMING.delete(name); // so that it can be asked for again
      reject(new Error(`${name} did not load`));
    };
    const onload = () => (SUPPLIES.has(name) ? resolve() : fail());
    document.head.append(h("script", { src: new URL(`networks/${name}.js`, HERE).href, onload, onerror: fail }));
  });
  COMING.set(name, coming);
  return coming;
}
