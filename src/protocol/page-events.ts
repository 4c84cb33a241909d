/** A part of the picture: fractions of its width and height. */
export interface PictureRect {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface SelectOption {
  readonly label: string;
  readonly selected: boolean;
  readonly disabled: boolean;
  /** Label of its group. */
  readonly group?: string;
}

/** Values of `type` of an `input` that has a picker, and text fields with a `datalist`. */
export type PickerKind = 'date' | 'datetime-local' | 'month' | 'week' | 'time' | 'color' | 'datalist';

/** What a page waits for from its controller. `id` names it in the answer. */
export type PagePrompt =
  | {
      readonly type: 'select';
      readonly id: string;
      readonly rect: PictureRect;
      readonly multiple: boolean;
      readonly options: readonly SelectOption[];
    }
  | {
      readonly type: 'picker';
      readonly id: string;
      readonly kind: PickerKind;
      readonly rect: PictureRect;
      /** As the element has it; empty for none. */
      readonly value: string;
      readonly min?: string;
      readonly max?: string;
      readonly step?: string;
      /** Of a `datalist`: those that fit what is typed. */
      readonly options?: readonly { readonly value: string; readonly label: string }[];
    }
  | {
      readonly type: 'dialog';
      readonly id: string;
      readonly kind: 'alert' | 'confirm' | 'prompt';
      readonly message: string;
      readonly defaultValue?: string;
    }
  | {
      readonly type: 'file_chooser';
      readonly id: string;
      readonly multiple: boolean;
      /** As the element has it: media types and extensions, separated by commas. */
      readonly accept: string;
    };

export interface PageTab {
  readonly id: string;
  readonly title: string;
  /** Without user info, query and fragment. */
  readonly url: string;
}

/** What a page tells its controller: JSON, and sent as it is. */
export type PageEvent =
  | PagePrompt
  /** A prompt is no longer to be answered. */
  | { readonly type: 'prompt_closed'; readonly id: string }
  | { readonly type: 'pointer_lock'; readonly locked: boolean }
  /** A text field has gained or lost the focus. */
  | { readonly type: 'editing'; readonly active: boolean; readonly inputMode?: string }
  | {
      readonly type: 'rumble';
      readonly index: number;
      readonly durationMs: number;
      /** 0 to 1. */
      readonly strong: number;
      readonly weak: number;
    }
  | { readonly type: 'tabs'; readonly activeId: string; readonly tabs: readonly PageTab[] }
  | {
      readonly type: 'download';
      readonly fileId: string;
      readonly name: string;
      readonly state: 'started' | 'finished' | 'failed';
      readonly bytes: number;
    }
  /** A part of a PNG that the page has written to the clipboard; `data` is base64, and those of all parts are that of the image. */
  | {
      readonly type: 'clipboard_image';
      /** From 0 on. */
      readonly part: number;
      readonly parts: number;
      readonly data: string;
    }
  /** The page wanted something that is not permitted, or that is too large. */
  | {
      readonly type: 'refused';
      readonly what: 'new_tab' | 'download' | 'file_chooser' | 'file_drop' | 'dialog' | 'clipboard';
      readonly message: string;
    };

/** What a controller answers or asks for. */
export type PageAnswer =
  | { readonly type: 'select'; readonly id: string; readonly indexes: readonly number[] }
  | { readonly type: 'picker'; readonly id: string; readonly value: string }
  | { readonly type: 'dialog'; readonly id: string; readonly accept: boolean; readonly text?: string }
  | { readonly type: 'file_chooser'; readonly id: string; readonly fileIds: readonly string[] }
  | { readonly type: 'select' | 'picker'; readonly id: string; readonly cancel: true }
  | { readonly type: 'file_chooser'; readonly id: string; readonly cancel: true }
  /** The controller has let go of its own pointer. */
  | { readonly type: 'pointer_lock'; readonly locked: false }
  /** Files were dragged onto the picture: `x` and `y` are fractions of it. */
  | { readonly type: 'drop'; readonly x: number; readonly y: number; readonly fileIds: readonly string[] }
  | { readonly type: 'tab'; readonly action: 'show' | 'close'; readonly id: string };

export function isPrompt(event: PageEvent): event is PagePrompt {
  return /^(?:select|picker|dialog|file_chooser)$/.test(event.type);
}

/** What a prompt is answered with if nobody is there to do it. */
export function harmlessAnswer({ type, id }: PagePrompt): PageAnswer {
  switch (type) {
    case 'dialog':
      return { type, id, accept: false };
    case 'file_chooser':
      return { type, id, cancel: true };
    case 'select':
    case 'picker':
      return { type, id, cancel: true };
  }
}
