/** Whether the client would rather have an event stream than JSON (RFC 9110 section 12.5.1). */
export function prefersEventStream(accept: string | undefined): boolean {
  const events = quality(accept, 'text/event-stream');
  return events > 0 && events >= quality(accept, 'application/json');
}

/** What the header says of this very type, 0–1; a wildcard does not ask for anything special. */
function quality(accept: string | undefined, type: string): number {
  for (const range of (accept ?? '').toLowerCase().split(',')) {
    const [name, ...parameters] = range.split(';').map((part) => part.trim());
    if (name !== type) continue;
    const weight = parameters.find((parameter) => parameter.startsWith('q='));
    const value = weight === undefined ? 1 : Number(weight.slice(2));
    return Number.isFinite(value) ? value : 0;
  }
  return 0;
}
