/** The work took longer than it was given. */
export class TimeoutError extends Error {
  constructor(timeoutMs: number) {
    super(`It took longer than ${timeoutMs} ms`);
  }
}

/** @throws TimeoutError after `timeoutMs`; the work goes on by itself. */
export async function withTimeout<T>(work: Promise<T>, timeoutMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new TimeoutError(timeoutMs)), timeoutMs);
  });
  try {
    return await Promise.race([work, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
