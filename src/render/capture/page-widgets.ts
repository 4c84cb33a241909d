import { setTimeout } from 'node:timers/promises';

import type { CdpSession } from './cdp-connection.js';
import { asError } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import { typeDate } from './date-fields.js';
import type { FrameElement, ScriptFrame } from './frame-scripts.js';
import type { PagePrompt, PickerKind, PictureRect, SelectOption } from '../../protocol/page-events.js';
import type { PageSize } from './page-geometry.js';
import { pressKey } from './page-keys.js';
import type { AnswerTo, PagePrompts } from './page-prompts.js';
import type { WidgetState } from './widget-script.js';

export interface PageWidgetsParameters {
  readonly cdp: CdpSession;
  readonly prompts: PagePrompts;
  /** What the picture shows of the page, CSS pixels. */
  readonly shown: () => PageSize;
  /** Where the pointer of the page was last, CSS pixels. */
  readonly pointer: () => { readonly x: number; readonly y: number };
  readonly logger: Logger;
}

type WidgetPrompt = Extract<PagePrompt, { type: 'select' | 'picker' }>;

interface OpenWidget {
  readonly key: string;
  /** Its document. */
  readonly documentKey: string;
  readonly promptId: string;
}

const PICKER_KINDS = new Set(['date', 'datetime-local', 'month', 'week', 'time', 'color', 'datalist']);
/** Until the browser's widget has closed: a second in all. */
const MAX_ESCAPES = 40;
const ESCAPE_INTERVAL_MS = 25;
/** From the first control of Chromium's colour picker to its field for red. */
const TABS_TO_RED = 3;

/**
 * What the browser draws outside of the page, and so outside of the picture: lists and pickers. The controller draws
 * them instead, and its answer is typed into the browser's own, so that the page sees the events of a user.
 */
export class PageWidgets {
  readonly #parameters: PageWidgetsParameters;
  #open: OpenWidget | undefined;

  constructor(parameters: PageWidgetsParameters) {
    this.#parameters = parameters;
  }

  /** @param value - what the script beside the page tells; its contents are the page's. */
  onCall(value: unknown, frame: ScriptFrame): void {
    if (typeof value !== 'object' || value === null || !('widget' in value)) return;
    const key = `${frame.key} ${String(value.widget)}`;
    if ('closed' in value) {
      if (this.#open?.key === key) this.close();
    } else if (isWidgetState(value)) {
      this.#show(value, key, frame);
    }
  }

  /** A document is gone, perhaps with the widget that is open. @param documentKey - of its {@link ScriptFrame}. */
  onGone(documentKey: string): void {
    if (this.#open?.documentKey === documentKey) this.close();
  }

  /** The controller need not answer it any more. */
  close(): void {
    const open = this.#open;
    this.#open = undefined;
    if (open !== undefined) this.#parameters.prompts.withdraw(open.promptId);
  }

  #show(state: WidgetState, key: string, frame: ScriptFrame): void {
    const { prompts, logger } = this.#parameters;
    const make = (id: string): WidgetPrompt => this.#promptOf(state, id);
    if (this.#open?.key === key) {
      prompts.update(make(this.#open.promptId));
      return;
    }
    this.close();
    const { id, answer } = prompts.ask<'select' | 'picker'>(make);
    this.#open = { key, documentKey: frame.key, promptId: id };
    answer
      .then(async (answered) => {
        // What the page itself has closed needs no answer.
        if (this.#open?.promptId !== id) return;
        this.#open = undefined;
        await this.#apply(answered, state, frame);
      })
      .catch((thrown: unknown) => logger.debug({ err: asError(thrown) }, 'the widget was gone'));
  }

  #promptOf(state: WidgetState, id: string): WidgetPrompt {
    const rect = this.#place(state);
    const { kind, multiple, value, min, max, step } = state;
    if (kind === 'select') {
      const options = state.options.map(({ label, selected, disabled, group }): SelectOption => {
        return { label, selected, disabled, ...(group === '' ? {} : { group }) };
      });
      return { type: 'select', id, rect, multiple, options };
    }
    return {
      type: 'picker',
      id,
      kind: kind as PickerKind,
      rect,
      value,
      ...(min === '' ? {} : { min }),
      ...(max === '' ? {} : { max }),
      ...(step === '' ? {} : { step }),
      ...(kind === 'datalist'
        ? { options: state.options.map((option) => ({ value: option.value, label: option.label })) }
        : {}),
    };
  }

  /** A frame of another site does not know where it is; but where the pointer is, both of us know. */
  #place({ rect, pointer: inFrame }: WidgetState): PictureRect {
    const { width, height } = this.#parameters.shown();
    const inPage = this.#parameters.pointer();
    const left = inFrame === undefined ? 0 : inPage.x - inFrame.x;
    const top = inFrame === undefined ? 0 : inPage.y - inFrame.y;
    return {
      x: (rect.x + left) / width,
      y: (rect.y + top) / height,
      width: rect.width / width,
      height: rect.height / height,
    };
  }

  async #apply(
    answer: AnswerTo<'select' | 'picker'>,
    { widget, kind }: WidgetState,
    frame: ScriptFrame,
  ): Promise<void> {
    const { cdp } = this.#parameters;
    if ('cancel' in answer) {
      if (kind !== 'datalist') await this.#closeWidget(frame);
      return;
    }
    const asked = answer.type === 'select' ? { indexes: answer.indexes } : { value: answer.value };
    const keys = await frame.call('widgetKeys', { widget, ...asked });
    if (answer.type === 'select') {
      for (const key of Array.isArray(keys) ? keys : []) await pressKey(cdp, String(key));
    } else if (kind === 'color') {
      await this.#typeColor(answer.value);
    } else if (kind === 'datalist') {
      await frame.call('focusWidget');
      await cdp.send('Input.insertText', { text: answer.value });
    } else {
      const element = await this.#closeWidget(frame);
      if (element !== undefined) await typeDate(cdp, element, answer.value);
    }
    const isTyped = await frame.call('settleWidget', asked);
    if (isTyped !== true)
      this.#parameters.logger.info({ kind }, 'a widget did not take its keys, and was set');
  }

  /**
   * Closes what the browser has opened for the element that is answered. It takes no keys until it is shown, some time after the
   * page knows of it, and then takes all of them.
   *
   * @returns the element.
   */
  async #closeWidget(frame: ScriptFrame): Promise<FrameElement | undefined> {
    const element = await frame.element('widgetElement');
    if (element === undefined) return undefined;
    const { session, objectId } = element;
    const functionDeclaration = 'function () { return this.matches(":open"); }';
    for (let presses = 0; presses < MAX_ESCAPES; presses++) {
      const { result } = await session.send('Runtime.callFunctionOn', {
        ...{ objectId, functionDeclaration, returnByValue: true },
      });
      if (result.value !== true) break;
      await pressKey(this.#parameters.cdp, 'Escape');
      await setTimeout(ESCAPE_INTERVAL_MS);
    }
    return element;
  }

  async #typeColor(value: string): Promise<void> {
    const { cdp } = this.#parameters;
    const [, ...parts] = /^#([\da-f]{2})([\da-f]{2})([\da-f]{2})$/i.exec(value) ?? [];
    for (let tab = 1; tab < TABS_TO_RED; tab++) await pressKey(cdp, 'Tab');
    for (const part of parts) {
      await pressKey(cdp, 'Tab');
      for (const digit of String(parseInt(part, 16))) await pressKey(cdp, digit);
    }
    await pressKey(cdp, 'Enter');
  }
}

function isWidgetState(value: object): value is WidgetState {
  const state = value as Partial<Record<keyof WidgetState, unknown>>;
  const isNumber = (entry: unknown): boolean => typeof entry === 'number' && Number.isFinite(entry);
  const isPoint = (entry: unknown, names: readonly string[]): boolean =>
    typeof entry === 'object' &&
    entry !== null &&
    names.every((name) => isNumber((entry as Record<string, unknown>)[name]));
  return (
    isNumber(state.widget) &&
    typeof state.kind === 'string' &&
    (state.kind === 'select' || PICKER_KINDS.has(state.kind)) &&
    isPoint(state.rect, ['x', 'y', 'width', 'height']) &&
    (state.pointer === undefined || isPoint(state.pointer, ['x', 'y'])) &&
    Array.isArray(state.options) &&
    [state.value, state.min, state.max, state.step].every((text) => typeof text === 'string')
  );
}
