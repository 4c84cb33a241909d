/**
 * `bad_message`: not JSON, no type, or a type that there is not; `bad_input`: a field is wrong; `forbidden`: this client
 * may not.
 */
export type InputErrorCode = 'bad_message' | 'bad_input' | 'forbidden';

/** Input that is refused and has changed nothing. Its message is written for the client. */
export class InputError extends Error {
  readonly code: InputErrorCode;

  constructor(code: InputErrorCode, message: string) {
    super(message);
    this.name = 'InputError';
    this.code = code;
  }
}
