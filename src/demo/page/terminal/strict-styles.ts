const XHTML = 'http://www.w3.org/1999/xhtml';

/**
 * Lets xterm.js draw on a page whose policy has no `unsafe-inline`. It writes `<style>` elements and `style` attributes,
 * which are forbidden then; constructed style sheets and the CSSOM are not, so elements that the page's scripts make from
 * now on use those. (Its option `documentOverride` does not reach all of them in version 6.0.)
 */
export function useStrictStyles(): void {
  const createElement = (name: string): HTMLElement => document.createElementNS(XHTML, name);
  const value = (name: string): HTMLElement => {
    if (name === 'style') return styleSheet(createElement('template'));
    const element = createElement(name);
    if (name === 'span') element.setAttribute = setAttribute;
    return element;
  };
  Object.defineProperty(document, 'createElement', { value });
}

/** @param element - one without effect; its text becomes a style sheet of the page. */
function styleSheet(element: HTMLElement): HTMLElement {
  const sheet = new CSSStyleSheet();
  const remove = element.remove.bind(element);
  document.adoptedStyleSheets.push(sheet);
  Object.defineProperty(element, 'textContent', {
    set: (css: string) => {
      sheet.replaceSync(css);
    },
  });
  element.remove = () => {
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((adopted) => adopted !== sheet);
    remove();
  };
  return element;
}

function setAttribute(this: HTMLElement, name: string, value: string): void {
  if (name === 'style') this.style.cssText = value;
  else Element.prototype.setAttribute.call(this, name, value);
}
