/** The work took longer than it was given. */
export class TimeoutError extends Error {
  constructor(timeoutMs: number) {
    super(`It took longer than ${timeoutMs} ms`);
  }
}

/**
 * A process that stood still finds both, that the time is over and what has come meanwhile: the latter counts.
 *
 * @throws TimeoutError after `timeoutMs`; the work goes on by itself.
 */
export async function withTimeout<T>(work: Promise<T>, timeoutMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  let last: NodeJS.Immediate | undefined;
  const timeout = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      last = setImmediate(() => reject(new TimeoutError(timeoutMs)));
    }, timeoutMs);
  });
  try {
    return await Promise.race([work, timeout]);
  } finally {
    clearTimeout(timer);
    clearImmediate(last);
  }
}
