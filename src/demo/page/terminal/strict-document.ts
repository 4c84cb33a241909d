/**
 * The page's document for xterm.js, which writes `<style>` elements and `style` attributes: a policy without
 * `unsafe-inline` forbids both, and neither constructed style sheets nor the CSSOM.
 *
 * @returns what is to be its `documentOverride`.
 */
export function strictDocument(): Document {
  const createElement = (name: string): HTMLElement => {
    if (name === 'style') return createStyle();
    const element = document.createElement(name);
    if (name === 'span') element.setAttribute = setAttribute;
    return element;
  };
  return new Proxy(document, {
    get: (target, key) => {
      if (key === 'createElement') return createElement;
      const value: unknown = Reflect.get(target, key);
      // Methods of a document want the document itself.
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

/** An element without effect; its text is a style sheet. */
function createStyle(): HTMLElement {
  const sheet = new CSSStyleSheet();
  document.adoptedStyleSheets.push(sheet);
  const element = document.createElement('template');
  Object.defineProperty(element, 'textContent', { set: (css: string) => void sheet.replace(css) });
  return element;
}

function setAttribute(this: HTMLElement, name: string, value: string): void {
  if (name === 'style') this.style.cssText = value;
  else Element.prototype.setAttribute.call(this, name, value);
}
