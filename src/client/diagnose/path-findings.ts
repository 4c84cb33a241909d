import type { ClientReport } from './client-report.js';
import { finding, type Finding } from './finding.js';
import type { PeerReport } from './peer-report.js';

/** Candidates and checks take their time; before this nothing can be said, ms. */
const PATIENCE_MS = 3000;
/** TURN's error of a browser that could not reach the server at all. */
const UNREACHABLE = 701;

/** Whether there is a way for media between browser and server. */
export function pathFindings({ peer, error, stats: { paths } }: ClientReport): Finding[] {
  if (peer === undefined) {
    return error ? failedPeer(error) : [];
  }
  const { connectionState, iceState, iceStateMs, ageMs, everConnected } = peer;
  const isUp = iceState === 'connected' || iceState === 'completed';
  const findings = isUp ? [] : relayFindings(peer, paths.local);
  const figures = {
    iceState,
    sinceMs: iceStateMs,
    checksSent: paths.checksSent,
    checksAnswered: paths.checksAnswered,
    localCandidates: paths.local.join(' '),
    serverCandidates: paths.remote.join(' '),
  };
  if (isUp) {
    const { selected } = paths;
    if (connectionState === 'failed' || (connectionState === 'connecting' && iceStateMs > PATIENCE_MS)) {
      findings.push(failedPath('peer_failed', connectionState));
    }
    if (selected?.local === 'relay' || selected?.remote === 'relay') {
      findings.push(
        finding('info', 'relayed', 'Media is relayed, which adds delay.', {
          local: selected.local,
          server: selected.remote,
          protocol: selected.protocol,
          rttMs: selected.rttMs,
        }),
      );
    }
  } else if (everConnected) {
    const message = 'The network path was lost; a new one is being looked for.';
    findings.push(finding('error', 'media_interrupted', message, figures));
  } else if (iceState === 'failed' || ageMs > PATIENCE_MS) {
    findings.push(neverConnected(peer, figures));
  } else if (error) {
    // A new peer takes up where one has failed: what was wrong is so until it stands.
    findings.push(...failedPeer(error));
  }
  return findings;
}

function neverConnected(
  { relayServers, serverNamed }: PeerReport,
  figures: { checksSent: number; checksAnswered: number; serverCandidates: string },
): Finding {
  // A browser's statistics may leave out candidates whose checks have all failed.
  if (figures.serverCandidates === '' && !serverNamed) {
    const message = 'The server has named no ICE candidate.';
    return finding('error', 'no_server_candidates', message, figures);
  }
  if (figures.checksAnswered > 0) {
    const message = 'No path works both ways.';
    return finding('error', 'ice_failed', message, figures);
  }
  const help = relayServers.length ? 'The TURN server did not help.' : 'The server names no TURN server.';
  const message = `No UDP packet gets through: a firewall may block it, or the address is wrong. ${help}`;
  return finding('error', 'udp_blocked', message, figures);
}

/** With a direct path relays are not missed. */
function relayFindings(
  { serverFailures, relayServers, ageMs }: PeerReport,
  local: readonly string[],
): Finding[] {
  const told = serverFailures.filter(({ url }) => /^turns?:/.test(url));
  const findings = told.map(({ url, errorCode, errorText }) => {
    const figures = { url, errorCode, errorText };
    const reason = errorText.replace(/\.$/, '') || errorCode;
    return errorCode === UNREACHABLE
      ? finding('warning', 'turn_unreachable', 'The TURN server cannot be reached.', figures)
      : finding('warning', 'turn_refused', `The TURN server refuses: ${reason}.`, figures);
  });
  if (ageMs < PATIENCE_MS || local.includes('relay')) return findings;
  // Of one that is silent, Chromium says nothing for as long as a peer lives; what it tells begins with host and port.
  const silent = relayServers.filter((server) => !told.some(({ url }) => url.startsWith(hostOf(server))));
  return [
    ...findings,
    ...silent.map((url) =>
      finding('warning', 'turn_unreachable', 'The TURN server does not answer.', { url, waitedMs: ageMs }),
    ),
  ];
}

function hostOf(url: string): string {
  return url.replace(/\?.*/, '');
}

function failedPeer({ code, message }: NonNullable<ClientReport['error']>): Finding[] {
  return code === 'ice_failed' || code === 'peer_failed' ? [failedPath(code, message)] : [];
}

function failedPath(code: 'ice_failed' | 'peer_failed', reason: string): Finding {
  return code === 'ice_failed'
    ? finding('error', 'ice_failed', 'No network path for media was found.', {
        reason,
      })
    : finding('error', 'dtls_failed', 'A path was found, but DTLS failed on it.', {
        reason,
      });
}
