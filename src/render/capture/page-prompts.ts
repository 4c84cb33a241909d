import {
  harmlessAnswer,
  type PageAnswer,
  type PageEvent,
  type PagePrompt,
} from '../../protocol/page-events.js';

/** How long a controller may take to answer, ms. */
export const ANSWER_TIMEOUT_MS = 60_000;
/** Prompts that wait at once; one more is answered harmlessly at once. */
const MAX_WAITING = 8;

/** An answer to a prompt of this type. */
export type AnswerTo<Type extends PagePrompt['type']> = Extract<PageAnswer, { type: Type }>;

export interface AskedPrompt<Type extends PagePrompt['type']> {
  readonly id: string;
  readonly answer: Promise<AnswerTo<Type>>;
}

interface Waiting {
  readonly prompt: PagePrompt;
  readonly resolve: (answer: PageAnswer) => void;
  timer: NodeJS.Timeout;
}

/** The questions of a page that wait for its controller. Each gets exactly one answer: the harmless one at the latest. */
export class PagePrompts {
  readonly #emit: (event: PageEvent) => void;
  readonly #waiting = new Map<string, Waiting>();
  #count = 0;

  constructor(emit: (event: PageEvent) => void) {
    this.#emit = emit;
  }

  /** @param isBeingAnswered - asked when the time is over: true begins it anew. */
  ask<Type extends PagePrompt['type']>(
    make: (id: string) => Extract<PagePrompt, { type: Type }>,
    isBeingAnswered?: () => Promise<boolean>,
  ): AskedPrompt<Type> {
    const id = String(++this.#count);
    const prompt = make(id);
    const answer = new Promise<PageAnswer>((resolve) => {
      if (this.#waiting.size >= MAX_WAITING) {
        resolve(harmlessAnswer(prompt));
        return;
      }
      this.#waiting.set(id, { prompt, resolve, timer: this.#await(id, isBeingAnswered) });
      this.#emit(prompt);
    });
    return { id, answer: answer as Promise<AnswerTo<Type>> };
  }

  /** The same question has changed, such as the suggestions for what is typed. */
  update(prompt: PagePrompt): void {
    const waiting = this.#waiting.get(prompt.id);
    if (waiting === undefined) return;
    this.#waiting.set(prompt.id, { ...waiting, prompt });
    this.#emit(prompt);
  }

  /** An answer to nothing, or to something else, is ignored: the prompt may just have been closed. */
  answer(answer: Extract<PageAnswer, { id: string }>): void {
    const waiting = this.#waiting.get(answer.id);
    if (waiting?.prompt.type === answer.type) this.#settle(waiting, answer);
  }

  /** Answers it harmlessly: the page no longer waits for it, or nobody has answered. */
  withdraw(id: string): void {
    const waiting = this.#waiting.get(id);
    if (waiting !== undefined) this.#settle(waiting, harmlessAnswer(waiting.prompt));
  }

  close(): void {
    for (const id of [...this.#waiting.keys()]) this.withdraw(id);
  }

  #await(id: string, isBeingAnswered: (() => Promise<boolean>) | undefined): NodeJS.Timeout {
    return setTimeout(() => {
      if (isBeingAnswered === undefined) {
        this.withdraw(id);
        return;
      }
      void isBeingAnswered().then((isBeing) => {
        const waiting = this.#waiting.get(id);
        if (!isBeing) this.withdraw(id);
        else if (waiting !== undefined) waiting.timer = this.#await(id, isBeingAnswered);
      });
    }, ANSWER_TIMEOUT_MS);
  }

  #settle({ prompt, resolve, timer }: Waiting, answer: PageAnswer): void {
    clearTimeout(timer);
    this.#waiting.delete(prompt.id);
    resolve(answer);
    this.#emit({ type: 'prompt_closed', id: prompt.id });
  }
}
