/** What a request points to. */
export interface RequestTarget {
  /** Below the mount point and the base path; begins with a slash. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** Path of the mount point and the base path as the client sees them; no slash at the end. */
  readonly prefix: string;
}

/**
 * Finds the path below the base path; undefined where the request points elsewhere.
 *
 * @param url - what the framework left of the request target: `/path?query`, or the absolute form that proxies send.
 * @param originalUrl - the target before a framework took the path of the mount point off it.
 * @param basePath - begins with a slash and ends without one; empty for the root.
 */
export function resolveTarget(url: string, originalUrl: string, basePath: string): RequestTarget | undefined {
  const [fullPath, search] = splitUrl(url);
  if (fullPath !== basePath && !fullPath.startsWith(`${basePath}/`)) return undefined;
  const path = fullPath.slice(basePath.length);
  return {
    path: path === '' ? '/' : path,
    query: new URLSearchParams(search),
    prefix: `${mountPath(originalUrl, fullPath)}${basePath}`,
  };
}

/** Takes as many segments off the path of a target as the path of its mount point has. */
export function belowMount(url: string, mount: string): string {
  const [path, search] = splitUrl(url);
  const below = path.split('/').slice(mount.replace(/\/+$/, '').split('/').length);
  return `/${below.join('/')}?${search}`;
}

/**
 * What is below the mount point of a request whose framework has taken nothing, or everything, off the path: Express routes
 * with a wildcard at the end, `app.all('/stream/*rest', router)` and `app.use('/stream/*rest', router)`.
 *
 * @returns the URL below the wildcard's own prefix; `url` itself where there is no wildcard.
 */
export function belowWildcard({ url = '/', baseUrl, route, params }: WildcardRequest): string {
  const pattern = typeof route?.path === 'string' ? /^(.*)\/\{?\/?\*\w*\}?$/.exec(route.path) : null;
  if (pattern !== null) return belowMount(url, pattern[1] ?? '');
  // Express 5 hands a wildcard's segments over as an array, and counts them as the mount point.
  const rest = Object.values(params ?? {}).find((value) => Array.isArray(value)) as string[] | undefined;
  if (route !== undefined || baseUrl === undefined || rest === undefined) return url;
  const taken = baseUrl.split('/').slice(-rest.length);
  const [path, search] = splitUrl(url);
  return `/${taken.join('/')}${path === '/' ? '' : path}?${search}`;
}

/** What is used of an Express request. */
export interface WildcardRequest {
  readonly url?: string | undefined;
  readonly baseUrl?: string | undefined;
  readonly route?: { readonly path?: unknown } | undefined;
  readonly params?: Readonly<Record<string, unknown>> | undefined;
}

function splitUrl(url: string): readonly [path: string, search: string] {
  const target = url.replace(/^https?:\/\/[^/?#]*/i, '');
  const at = target.indexOf('?');
  return at === -1 ? [target, ''] : [target.slice(0, at), target.slice(at + 1)];
}

/** What the framework has taken off the path, so that `Location` is a path the client can use. */
function mountPath(originalUrl: string, path: string): string {
  const [original] = splitUrl(originalUrl);
  const mount = original.endsWith(path) ? original.slice(0, original.length - path.length) : original;
  // Two slashes at the start would name another host.
  return mount.replace(/\/+$/, '').replace(/^\/+/, '/');
}
