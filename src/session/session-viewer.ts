import type { ViewerDiagnostics } from '../protocol/session-diagnostics.js';
import type { ViewerRole } from '../protocol/rights.js';
import type { Caller } from './caller.js';

/** One viewer of a session, as the application sees it. */
export interface SessionViewer extends ViewerDiagnostics {
  /** `controller`: it may send input at the moment. */
  readonly role: ViewerRole;
  /** As `validateRequest` or the stream token named it; null where nobody did. */
  readonly callerId: string | null;
  /** As `validateRequest` or the stream token gave it. */
  readonly callerContext: Readonly<Record<string, unknown>> | null;
}

export function sessionViewer(
  { id, context }: Caller,
  viewer: ViewerDiagnostics & Pick<SessionViewer, 'role'>,
): SessionViewer {
  return { ...viewer, callerId: id ?? null, callerContext: context ?? null };
}
