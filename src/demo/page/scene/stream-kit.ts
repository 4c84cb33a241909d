/** What the server puts into a rendered page as `window.streamKit`. */
export interface StreamKit {
  readonly initialData: unknown;
  setMetadata(metadata: Record<string, unknown>): void;
  on(event: 'viewers', listener: (count: number) => void): unknown;
  on(event: 'message', listener: (message: unknown) => void): unknown;
  send(message: Record<string, unknown>): void;
}

declare global {
  interface Window {
    /** Absent where the page is opened in an ordinary browser. */
    readonly streamKit?: StreamKit;
  }
}

/** What the scene takes from `initialData`, with a default for all that is missing or of the wrong kind. */
export interface SceneSettings {
  title: string;
  /** Shapes the mountains and the music. */
  seed: number;
  /** Degrees on the colour wheel. */
  hue: number;
  /** Frames a second that are worth drawing; 0 for every frame that the browser asks for. */
  frameRate: number;
}

/** Reads the settings. The data comes from whoever created the session, so nothing is taken on trust. */
export function readSettings(initialData: unknown): SceneSettings {
  const data = (typeof initialData === 'object' && initialData !== null ? initialData : {}) as Record<
    string,
    unknown
  >;
  const number = (value: unknown, fallback: number): number =>
    typeof value === 'number' && Number.isFinite(value) ? value : fallback;
  return {
    title: typeof data.title === 'string' && data.title !== '' ? data.title.slice(0, 60) : 'Northern Lights',
    seed: Math.abs(Math.trunc(number(data.seed, 7))) % 100_000,
    hue: ((number(data.hue, 160) % 360) + 360) % 360,
    frameRate: Math.min(60, Math.max(0, number(data.frameRate, 0))),
  };
}
