/** What of DOM is used here; the server is compiled without it. */
interface PageElement {
  readonly nodeType: number;
  readonly parentElement: PageElement | null;
  readonly localName: string;
  readonly type?: string;
  readonly disabled?: boolean;
  readonly clientLeft: number;
  readonly clientTop: number;
  readonly ownerDocument: { readonly defaultView: PageWindow | null };
  getBoundingClientRect(): { readonly left: number; readonly top: number };
  dispatchEvent(event: object): boolean;
}

interface PageWindow {
  readonly frameElement: PageElement | null;
}

declare const window: PageWindow;
declare const DataTransfer: new () => { readonly items: { add(file: object): void } };
declare const DragEvent: new (type: string, init: object) => object;

/**
 * Runs in an isolated world, in the frame of the element on which files are dropped: fires the events of a drag there.
 *
 * @param this - the node.
 * @param input - a field of no document that has the files.
 * @param x, y - place in the viewport of the tab, CSS pixels.
 * @returns whether the browser is to put them into the field that is there, since the page has not taken them itself.
 */
export function dropFiles(
  this: PageElement,
  input: { readonly files: Iterable<object> },
  x: number,
  y: number,
): boolean {
  const target = this.nodeType === 1 ? this : this.parentElement;
  if (target === null) return false;
  const dataTransfer = new DataTransfer();
  for (const file of input.files) dataTransfer.items.add(file);
  let [clientX, clientY] = [x, y];
  try {
    for (let frame = window.frameElement; frame !== null;) {
      const { left, top } = frame.getBoundingClientRect();
      clientX -= left + frame.clientLeft;
      clientY -= top + frame.clientTop;
      frame = frame.ownerDocument.defaultView?.frameElement ?? null;
    }
  } catch {
    // A frame of another origin does not learn where it is.
  }
  const fire = (type: string): boolean =>
    target.dispatchEvent(
      new DragEvent(type, {
        ...{ bubbles: true, cancelable: true, composed: true },
        ...{ clientX, clientY, dataTransfer },
      }),
    );
  fire('dragenter');
  // HTML, "drag-and-drop processing model": who cancels it takes the drop.
  if (!fire('dragover')) {
    fire('drop');
    return false;
  }
  fire('dragleave');
  return target.localName === 'input' && target.type === 'file' && target.disabled !== true;
}
