import type { ClientReport } from './client-report.js';
import { connectionFindings } from './connection-findings.js';
import type { Finding } from './finding.js';
import { pathFindings } from './path-findings.js';
import { qualityFindings } from './quality-findings.js';
import type { SessionDiagnostics } from '../../protocol/session-diagnostics.js';

const SEVERITIES: readonly Finding['severity'][] = ['error', 'warning', 'info'];

/**
 * Says in words why a connection does not come up, or looks bad. A pure function of what both ends know; the worst comes
 * first, and nothing at all where nothing is wrong.
 *
 * @param report - of `connection.report()`, asked for about once a second, since some figures are of the time between.
 * @param server - of `connection.serverDiagnostics()`; undefined where that could not be had.
 */
export function diagnose(report: ClientReport, server?: SessionDiagnostics): Finding[] {
  return [...connectionFindings(report), ...pathFindings(report), ...qualityFindings(report, server)].sort(
    (a, b) => SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity),
  );
}
