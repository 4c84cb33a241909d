import { describe, expect, it } from 'vitest';

import { judgeGuestCommand } from '../../../../src/render/capture/cdp-guest-policy.js';

const verdictOf = (method: string, params?: Record<string, unknown>): string =>
  judgeGuestCommand(method, params).type;

describe('a command of a guest', () => {
  it.each([
    ['Page.navigate', { url: 'https://example.org/' }],
    ['Page.navigate', { url: 'about:blank' }],
    ['Runtime.evaluate', { expression: '1' }],
    ['Input.dispatchMouseEvent', { type: 'mouseMoved' }],
    ['Target.setAutoAttach', { autoAttach: true, waitForDebuggerOnStart: true, flatten: true }],
    ['Target.attachToTarget', { targetId: 'x', flatten: true }],
    ['Input.dispatchDragEvent', { data: { items: [], files: [] } }],
  ])('%s of %j passes', (method, params) => {
    expect(judgeGuestCommand(method, params)).toEqual({ type: 'pass', params });
  });

  it.each([
    ['a file of the server', 'Page.navigate', { url: 'file:///etc/passwd' }],
    ['a file by an odd spelling', 'Page.navigate', { url: ' FILE:///etc/passwd' }],
    ['a page of the browser', 'Page.navigate', { url: 'chrome://settings' }],
    ['a page of the browser that is not trusted', 'Page.navigate', { url: 'chrome-untrusted://x' }],
    ['a page of an extension', 'Page.navigate', { url: 'chrome-extension://abc/x.html' }],
    ['the developer tools', 'Page.navigate', { url: 'DevTools://devtools/bundled/inspector.html' }],
    ['a page of the browser in another tab', 'Target.createTarget', { url: 'chrome://settings' }],
    ['certificates of any kind', 'Security.setIgnoreCertificateErrors', { ignore: true }],
    ['certificates that it decides over', 'Security.setOverrideCertificateErrors', { override: true }],
    ['one bad certificate', 'Security.handleCertificateError', { eventId: 1, action: 'continue' }],
    ['a page that takes no input', 'Input.setIgnoreInputEvents', { ignore: true }],
    ['no address', 'Page.navigate', {}],
    ['a file in a form', 'DOM.setFileInputFiles', { files: ['/etc/passwd'] }],
    ['a dragged file', 'Input.dispatchDragEvent', { data: { files: ['/etc/passwd'] } }],
    ['a file as an extension', 'Extensions.loadUnpacked', { path: '/' }],
    ['a context with a proxy of its own', 'Target.createBrowserContext', { proxyServer: 'x' }],
    ['another tab', 'Target.createTarget', { url: 'about:blank' }],
    ['the end of the tab', 'Target.closeTarget', { targetId: 'x' }],
    ['the end of the page', 'Page.close', {}],
    ['a crash of the page', 'Page.crash', {}],
    ['a crash of the browser', 'Browser.crash', {}],
    ['a crash of the GPU process', 'Browser.crashGpuProcess', {}],
    ['a frozen page', 'Page.setWebLifecycleState', { state: 'frozen' }],
    ['messages wrapped in others', 'Target.attachToTarget', { targetId: 'x' }],
    ['messages wrapped in others, of all', 'Target.setAutoAttach', { autoAttach: true }],
    ['messages wrapped in others, sent', 'Target.sendMessageToTarget', { message: '{}' }],
    ['the protocol for the page itself', 'Target.exposeDevToolsProtocol', { targetId: 'x' }],
    ['a port of the host', 'Tethering.bind', { port: 80 }],
    ['the command line', 'Browser.getBrowserCommandLine', {}],
    ['the storage of all origins', 'Storage.clearDataForOrigin', { origin: '*', storageTypes: 'all' }],
    ['what nobody knows', 'Unheard.of', {}],
    ['a name of every object', 'constructor', {}],
    ['no name', '', {}],
  ])('for %s is refused', (_what, method, params) => {
    expect(verdictOf(method, params)).toBe('refuse');
  });

  it.each([
    ['Emulation.setDeviceMetricsOverride', { width: 1 }],
    ['Emulation.clearDeviceMetricsOverride', {}],
    ['Emulation.setTouchEmulationEnabled', { enabled: true }],
    ['Page.setDeviceMetricsOverride', { width: 1 }],
    ['Page.clearDeviceMetricsOverride', {}],
    ['Page.setTouchEmulationEnabled', { enabled: true }],
    ['Page.bringToFront', {}],
    ['Target.activateTarget', { targetId: 'x' }],
    ['Browser.setDownloadBehavior', { behavior: 'allow', downloadPath: '/' }],
  ])('%s, which would change what is shown or saved, succeeds without effect', (method, params) => {
    expect(verdictOf(method, params)).toBe('ignore');
  });

  it('presses no shortcut of the browser', () => {
    const key = { type: 'rawKeyDown', key: 'F5', windowsVirtualKeyCode: 116 };
    expect(judgeGuestCommand('Input.dispatchKeyEvent', { ...key, nativeVirtualKeyCode: 116 })).toEqual({
      type: 'pass',
      params: key,
    });
  });

  it('to close the browser ends the guest', () => {
    expect(verdictOf('Browser.close')).toBe('end');
  });

  it('takes no picture beyond the viewport', () => {
    expect(judgeGuestCommand('Page.captureScreenshot', { captureBeyondViewport: true })).toEqual({
      type: 'pass',
      params: { captureBeyondViewport: false },
    });
  });
});
