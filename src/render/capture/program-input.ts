/** What becomes of the input that DevTools clients make: it reaches the page, waits until it may, or fails. */
export type ProgramInput = 'pass' | 'hold' | 'refuse';
