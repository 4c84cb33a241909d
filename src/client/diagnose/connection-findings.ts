import type { ClientReport } from './client-report.js';
import { finding, type Finding, type FindingCode } from './finding.js';

/** What the codes of errors mean for a connection. */
const BY_ERROR: Readonly<Record<string, readonly [FindingCode, string]>> = {
  network: ['server_unreachable', 'The server cannot be reached. It may be down, or this device offline.'],
  at_capacity: ['server_full', 'The server has no room for another session or viewer.'],
  unauthorized: ['not_allowed', 'The server refuses this client.'],
  forbidden: ['not_allowed', 'The server refuses this client.'],
  no_such_session: ['session_gone', 'The session does not exist any more.'],
  webrtc_unsupported: ['webrtc_unsupported', 'This browser has no WebRTC.'],
  no_codec: ['codec_missing', 'This browser cannot decode any of the video codecs that the session offers.'],
  // The one thing that an event stream can be refused for so.
  conflict: ['codec_missing', 'The session does not have the video codec asked for.'],
  unprocessable: ['codec_missing', 'The server and this browser have no video codec in common.'],
};

/** Whether server, session and browser are there at all. */
export function connectionFindings(report: ClientReport): Finding[] {
  const { error, status, sessionStatus, sessionError, blocked } = report;
  const findings: Finding[] = [];
  const known = error && Object.hasOwn(BY_ERROR, error.code) ? BY_ERROR[error.code] : undefined;
  if (error && known && status !== 'connected') {
    const { code, status: httpStatus, message } = error;
    findings.push(finding('error', known[0], known[1], { error: code, httpStatus, reason: message }));
  }
  if (sessionStatus === 'error') {
    findings.push(
      finding(
        'error',
        'session_failed',
        `The session failed on the server: ${sessionError ?? 'no reason given'}.`,
      ),
    );
  }
  if (blocked === 'picture') {
    findings.push(
      finding('error', 'autoplay_blocked', 'The browser plays nothing before a click on the page.'),
    );
  } else if (blocked === 'sound') {
    findings.push(
      finding('info', 'autoplay_blocked', 'The browser wants a click before it plays the sound.'),
    );
  }
  return findings;
}
