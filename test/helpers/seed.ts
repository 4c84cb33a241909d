/**
 * What random tests begin with: another number each time, and the same where a change is to be judged by its own faults alone. A
 * test that fails shows it in its name; `SEED` in the environment runs it again.
 */
export const SEED = Number(process.env.SEED ?? (process.env.CI === undefined ? Date.now() % 1_000_000 : 1));
