import type { InputControl, InputControlOptions } from './input-control.js';
import type { StreamConnection } from '../connection/stream-connection.js';

/**
 * Sends what the user does in the picture to the page, whenever this viewer is the controller: pointers, wheel, touches, keys, text,
 * gamepads, what is pasted; and shows the page's cursor. What it takes is a file of its own, loaded here. Ends with the connection.
 */
export async function controlStream(
  stream: StreamConnection,
  video: HTMLVideoElement,
  options: InputControlOptions = {},
): Promise<InputControl> {
  const { InputControl } = await import('./input-control.js');
  return new InputControl(stream, video, options);
}
