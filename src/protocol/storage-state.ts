/** Cookies and local storage, in the format of Playwright's `storageState`. */
export interface StorageState {
  readonly cookies: readonly {
    readonly name: string;
    readonly value: string;
    /** Begins with a dot where it is also for subdomains. */
    readonly domain: string;
    readonly path: string;
    /** Seconds since the epoch; -1 for one that ends with the browser. */
    readonly expires: number;
    readonly httpOnly: boolean;
    readonly secure: boolean;
    readonly sameSite: 'Strict' | 'Lax' | 'None';
  }[];
  readonly origins: readonly {
    readonly origin: string;
    readonly localStorage: readonly { readonly name: string; readonly value: string }[];
  }[];
}
