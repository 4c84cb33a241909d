/** What becomes of a command of a guest: of a client that drives the page beside us. */
export type GuestVerdict =
  | { readonly type: 'pass'; readonly params: Readonly<Record<string, unknown>> | undefined }
  /** Answered with nothing, and without effect: clients send it as they connect, and it would break the capture. */
  | { readonly type: 'ignore' }
  | { readonly type: 'refuse'; readonly message: string }
  /** The guest ends, and the browser stays. */
  | { readonly type: 'end' };

/** Domains that reach no further than a page and its storage. */
const DOMAINS: ReadonlySet<string> = new Set([
  ...['Accessibility', 'Animation', 'Audits', 'CSS', 'CacheStorage', 'Console', 'DOM', 'DOMDebugger'],
  ...['DOMSnapshot', 'DOMStorage', 'Debugger', 'DeviceOrientation', 'Emulation', 'EventBreakpoints', 'Fetch'],
  ...['HeapProfiler', 'IO', 'IndexedDB', 'Input', 'Inspector', 'LayerTree', 'Log', 'Media', 'Network'],
  ...['Overlay', 'Page', 'Performance', 'PerformanceTimeline', 'Preload', 'Profiler', 'Runtime', 'Schema'],
  ...['Security', 'ServiceWorker', 'Storage', 'WebAudio', 'WebAuthn'],
]);

/** The only commands of other domains. */
const METHODS: ReadonlySet<string> = new Set([
  ...['Browser.getVersion', 'Browser.getWindowForTarget', 'Browser.getWindowBounds'],
  ...['Browser.grantPermissions', 'Browser.setPermission', 'Browser.resetPermissions'],
  ...['Target.attachToBrowserTarget', 'Target.attachToTarget', 'Target.autoAttachRelated'],
  ...['Target.detachFromTarget', 'Target.getBrowserContexts', 'Target.getTargetInfo', 'Target.getTargets'],
  ...['Target.setAutoAttach', 'Target.setDiscoverTargets'],
]);

const IGNORED: ReadonlySet<string> = new Set([
  ...['Browser.setDownloadBehavior', 'Page.setDownloadBehavior', 'Browser.setWindowBounds'],
  ...['Emulation.setDeviceMetricsOverride', 'Emulation.clearDeviceMetricsOverride'],
  ...['Emulation.setVisibleSize', 'Emulation.setFocusEmulationEnabled', 'Emulation.setTouchEmulationEnabled'],
  // The old names of the same.
  ...['Page.setDeviceMetricsOverride', 'Page.clearDeviceMetricsOverride', 'Page.setTouchEmulationEnabled'],
  // Which tab is in front is decided with the one that is captured.
  ...['Page.bringToFront', 'Target.activateTarget'],
]);

const CAPTURED = 'The page is captured: it cannot be closed or stopped';
const FILES = 'Files of the server cannot be reached';
const CERTIFICATES = 'Certificates are checked as the server says';
const REFUSED: Readonly<Record<string, string>> = {
  'Target.createTarget': 'The session shows one tab: navigate it instead of opening another',
  'Target.createBrowserContext': 'The session has one browser context',
  'Target.closeTarget': CAPTURED,
  'Page.close': CAPTURED,
  'Page.crash': CAPTURED,
  'Page.setWebLifecycleState': CAPTURED,
  'Emulation.setVirtualTimePolicy': CAPTURED,
  'DOM.setFileInputFiles': FILES,
  'Network.loadNetworkResource': FILES,
  'Input.setIgnoreInputEvents': 'The input of viewers cannot be switched off',
  'Security.handleCertificateError': CERTIFICATES,
  'Security.setIgnoreCertificateErrors': CERTIFICATES,
  'Security.setOverrideCertificateErrors': CERTIFICATES,
};

const OPENABLE = /^(?:https?:|data:|blob:|about:blank(?:[?#]|$)|about:srcdoc$)/i;

/** Pages of the browser itself and of its extensions. */
const INTERNAL = /^(?:chrome|chrome-untrusted|devtools|chrome-extension):/i;

/** Whether a target with this URL is the browser's own, which no guest sees. */
export function isInternalUrl(url: string): boolean {
  return INTERNAL.test(url);
}

/**
 * Decides over a command of a guest: what reaches beyond the session's pages, reads or writes files of the server, or would
 * break the capture does not pass. What is not known does not either.
 */
export function judgeGuestCommand(
  method: string,
  params: Readonly<Record<string, unknown>> | undefined,
): GuestVerdict {
  if (method === 'Browser.close') return { type: 'end' };
  if (IGNORED.has(method)) return { type: 'ignore' };
  const refusal =
    (Object.hasOwn(REFUSED, method) ? REFUSED[method] : undefined) ?? refusalOf(method, params ?? {});
  if (refusal !== undefined) return { type: 'refuse', message: refusal };
  // The picture beyond the viewport is taken by making the page larger for a moment, which viewers would see.
  if (method === 'Page.captureScreenshot')
    return { type: 'pass', params: { ...params, captureBeyondViewport: false } };
  if (method === 'Input.dispatchKeyEvent' && params !== undefined) {
    // By it Chromium takes a key for a shortcut of its own.
    const { nativeVirtualKeyCode: _, ...rest } = params;
    return { type: 'pass', params: rest };
  }
  return { type: 'pass', params };
}

function refusalOf(method: string, params: Readonly<Record<string, unknown>>): string | undefined {
  const [domain = ''] = method.split('.', 1);
  if (!DOMAINS.has(domain) && !METHODS.has(method)) return `${method} is not available here`;
  switch (method) {
    case 'Page.navigate':
      return typeof params.url === 'string' && OPENABLE.test(params.url)
        ? undefined
        : 'Expected a URL with http, https, data or blob, or about:blank';
    case 'Target.attachToTarget':
    case 'Target.setAutoAttach':
      // Without it messages would come wrapped in others, where nobody looks at them.
      return params.flatten === true || params.autoAttach === false ? undefined : 'Expected flatten: true';
    case 'Input.dispatchDragEvent': {
      const { files } = (params.data ?? {}) as { files?: unknown };
      return files === undefined || (Array.isArray(files) && files.length === 0) ? undefined : FILES;
    }
    case 'Storage.clearDataForOrigin':
      return params.origin === '*' ? 'Expected one origin' : undefined;
    default:
      return undefined;
  }
}
