/** A part of the picture: fractions of its width and height. */
interface PictureRect {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** What the page asks of its controller, as the server tells it; `id` names it in the answer. */
export type PagePrompt =
  | {
      readonly type: 'select';
      readonly id: string;
      readonly rect: PictureRect;
      readonly multiple: boolean;
      readonly options: readonly {
        readonly label: string;
        readonly selected: boolean;
        readonly disabled: boolean;
        readonly group?: string;
      }[];
    }
  | {
      readonly type: 'picker';
      readonly id: string;
      /** `type` of the `input`, or `datalist`. */
      readonly kind: string;
      readonly rect: PictureRect;
      readonly value: string;
      readonly min?: string;
      readonly max?: string;
      readonly step?: string;
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
      readonly accept: string;
    };
