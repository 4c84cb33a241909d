import { StreamKitError } from '../base/errors.js';
import { expectation, isPlainObject, refuseUnknownKeys } from '../options/option-checks.js';
import type { PlacementRequest } from '../protocol/session-requests.js';

/** What a server has that a session may need. */
export interface ServerFeatures {
  /** Its option `cluster.region`. */
  readonly region?: string | undefined;
  /** Pages are drawn on a GPU. */
  readonly gpu: boolean;
}

/**
 * Checks `placement` in the body of `POST /`.
 *
 * @throws StreamKitError `bad_request` that names the key.
 */
export function parsePlacement(body: unknown): PlacementRequest {
  const value = isPlainObject(body) ? body.placement : undefined;
  if (value === undefined) return {};
  if (!isPlainObject(value)) throw bad('object', 'placement', value);
  refuseUnknownKeys(value, ['region', 'gpu'], { expected: 'region and gpu in placement' });
  const { region, gpu = false } = value;
  if (typeof gpu !== 'boolean') throw bad('boolean', 'placement.gpu', gpu);
  if (region === undefined) return { gpu };
  if (typeof region !== 'string' || !/^[\w.-]{1,64}$/.test(region)) {
    throw bad('1 to 64 letters, digits, dots, underscores and hyphens', 'placement.region', region);
  }
  return { region, gpu };
}

/** Whether a server has what a session needs. */
export function fitsPlacement(server: ServerFeatures, { region, gpu }: PlacementRequest): boolean {
  return (region === undefined || region === server.region) && (gpu !== true || server.gpu);
}

/** Nothing that is waited for changes it: a server would have to be added. */
export function noSuitableNode(): StreamKitError {
  return new StreamKitError(
    'no_suitable_node',
    'No server has the region or the GPU that placement asks for',
  );
}

function bad(expected: string, key: string, value: unknown): StreamKitError {
  return new StreamKitError('bad_request', expectation(expected, key, value));
}
