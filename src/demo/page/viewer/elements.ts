/**
 * Finds an element of the page by its id.
 *
 * @throws Error when page and script do not fit together.
 */
export function element<T extends Element>(id: string, kind: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`The page has no ${kind.name} with the id ${id}`);
  return found;
}

export const button = (id: string): HTMLButtonElement => element(id, HTMLButtonElement);
export const input = (id: string): HTMLInputElement => element(id, HTMLInputElement);
export const select = (id: string): HTMLSelectElement => element(id, HTMLSelectElement);
export const any = (id: string): HTMLElement => element(id, HTMLElement);
export const svg = (id: string): SVGSVGElement => element(id, SVGSVGElement);
