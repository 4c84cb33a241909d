/**
 * The URL that a person means: `example.com` is `https://example.com/`, as in an address bar.
 *
 * @returns undefined for nothing, which stands for the demo scene. What is no URL is returned as it is: the server says why.
 */
export function targetUrlOf(text: string): string | undefined {
  const typed = text.trim();
  if (typed === '') return undefined;
  const hasScheme = /^[a-z][a-z0-9+.-]*:\/\//i.test(typed);
  const isLocal = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])(?=[:/]|$)/i.test(typed);
  const url = hasScheme ? typed : `${isLocal ? 'http' : 'https'}://${typed}`;
  return URL.canParse(url) ? new URL(url).href : typed;
}
