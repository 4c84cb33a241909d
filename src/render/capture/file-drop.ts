import type { CdpSession } from './cdp-connection.js';
import { dropFiles } from './drop-script.js';

const MAKE_FIELD =
  "function () { return Object.assign(document.createElement('input'), { type: 'file', multiple: true }); }";

/**
 * Drops files on what is at a place of a tab. The page gets the events of a drag by script: one that Chromium makes itself opens
 * the file in a new tab if the page does not want it, where it could show other files of this machine.
 *
 * @param place - CSS pixels of the viewport.
 * @param paths - absolute.
 * @returns false where a frame of another process is, which gets none.
 */
export async function dropAt(
  cdp: CdpSession,
  place: { readonly x: number; readonly y: number },
  paths: readonly string[],
): Promise<boolean> {
  const { cssVisualViewport } = await cdp.send('Page.getLayoutMetrics');
  const { backendNodeId, frameId } = await cdp.send('DOM.getNodeForLocation', {
    x: Math.floor(cssVisualViewport.pageX + place.x),
    y: Math.floor(cssVisualViewport.pageY + place.y),
  });
  const { node } = await cdp.send('DOM.describeNode', { backendNodeId });
  if (node.nodeName === 'IFRAME' || node.nodeName === 'FRAME') return false;
  const { executionContextId } = await cdp.send('Page.createIsolatedWorld', {
    frameId,
    worldName: 'stream-kit-drop',
  });
  const [field, target] = await Promise.all([
    cdp.send('Runtime.callFunctionOn', { functionDeclaration: MAKE_FIELD, executionContextId }),
    cdp.send('DOM.resolveNode', { backendNodeId, executionContextId }),
  ]);
  const [fieldId, targetId] = [field.result.objectId, target.object.objectId];
  if (fieldId === undefined || targetId === undefined) throw new Error('The document has gone');
  try {
    await cdp.send('DOM.setFileInputFiles', { files: [...paths], objectId: fieldId });
    const { result } = await cdp.send('Runtime.callFunctionOn', {
      functionDeclaration: dropFiles.toString(),
      objectId: targetId,
      arguments: [{ objectId: fieldId }, { value: place.x }, { value: place.y }],
      returnByValue: true,
      userGesture: true,
    });
    if (result.value === true) {
      const isMultiple = (node.attributes ?? []).some(
        (name, index) => index % 2 === 0 && name === 'multiple',
      );
      await cdp.send('DOM.setFileInputFiles', {
        files: isMultiple ? [...paths] : paths.slice(0, 1),
        backendNodeId,
      });
    }
  } finally {
    for (const objectId of [fieldId, targetId])
      cdp.send('Runtime.releaseObject', { objectId }).catch(() => undefined);
  }
  return true;
}
