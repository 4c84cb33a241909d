/** What the server of the demo says that it has, at `/demo.json`. */
export interface DemoOffers {
  /** Null: none. Otherwise the largest that may be asked for. */
  readonly terminal: { readonly maxCols: number; readonly maxRows: number } | null;
}

/** @throws Error where the server cannot be reached. */
export async function demoOffers(): Promise<DemoOffers> {
  const response = await fetch('/demo.json');
  if (!response.ok) throw new Error(`The server answered ${response.status}`);
  return (await response.json()) as DemoOffers;
}
