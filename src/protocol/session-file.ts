/** A file that a page has downloaded. */
export interface SessionFile {
  readonly fileId: string;
  /** As the page has named it, without what would make it a path. */
  readonly name: string;
  readonly bytes: number;
}
