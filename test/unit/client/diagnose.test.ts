import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';
import type { ClientReport } from '../../../src/client/client-report.js';
import { diagnose } from '../../../src/client/diagnose.js';
import type { PeerReport } from '../../../src/client/peer-report.js';
import type { ServerDiagnostics } from '../../../src/client/server-diagnostics.js';
import { stageLatency } from '../../../src/client/stage-latency.js';
import { StatsSampler } from '../../../src/client/stream-stats.js';

/** What both ends tell: two readings of `getStats()` in Chromium's form, and one of the diagnostics. */
interface Condition {
  readonly first: { id: string }[];
  readonly second: { id: string }[];
  readonly server: ServerDiagnostics;
}

/**
 * `healthy`: on the loopback address; `lossy`: some datagrams dropped from the first reading on;
 * `blocked`: all of them, from the start.
 */
const conditions = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../fixtures/viewer-stats.json'), 'utf8'),
) as Record<'healthy' | 'lossy' | 'blocked', Condition>;

const CONNECTED: PeerReport = {
  connectionState: 'connected',
  iceState: 'connected',
  iceStateMs: 10_000,
  ageMs: 11_000,
  everConnected: true,
  relayServers: [],
  serverFailures: [],
};
const NEVER: PeerReport = {
  ...CONNECTED,
  connectionState: 'connecting',
  iceState: 'checking',
  iceStateMs: 4000,
  ageMs: 4500,
  everConnected: false,
};

function report(name: keyof typeof conditions, changes: Partial<ClientReport> = {}): ClientReport {
  const { first, second, server } = conditions[name];
  const sampler = new StatsSampler();
  sampler.sample(new Map(first.map((entry) => [entry.id, entry])));
  return {
    status: 'connected',
    viewerNumber: server.viewers.find(({ attached }) => attached)?.number,
    sessionStatus: 'streaming',
    sessionError: undefined,
    error: undefined,
    blocked: undefined,
    peer: CONNECTED,
    stats: sampler.sample(new Map(second.map((entry) => [entry.id, entry]))),
    ...changes,
  };
}

const failed = (code: string, status = 0): Partial<ClientReport> => ({
  status: 'failed',
  peer: undefined,
  error: { code, status, message: 'So it is.' },
});

function codes(of: ClientReport, server?: ServerDiagnostics): string[] {
  return diagnose(of, server).map(({ code }) => code);
}

/** The recorded server, but for its first encoding. */
function serverWith(changes: object): ServerDiagnostics {
  const { server } = conditions.healthy;
  return { ...server, encodings: server.encodings.map((encoding) => ({ ...encoding, ...changes })) };
}

describe('diagnose', () => {
  it('finds nothing where nothing is wrong', () => {
    expect(diagnose(report('healthy'), conditions.healthy.server)).toEqual([]);
  });

  it.each([
    ['server_unreachable', failed('network')],
    ['server_unreachable', { ...failed('network'), status: 'reconnecting' as const }],
    ['server_full', failed('at_capacity', 429)],
    ['not_allowed', failed('forbidden', 403)],
    ['session_gone', failed('no_such_session', 404)],
    ['webrtc_unsupported', failed('webrtc_unsupported')],
    ['codec_missing', failed('no_codec')],
    ['codec_missing', failed('conflict', 409)],
    ['ice_failed', failed('ice_failed')],
    ['dtls_failed', failed('peer_failed')],
    [
      'session_failed',
      { sessionStatus: 'error' as const, sessionError: 'The page crashed', peer: undefined },
    ],
    ['autoplay_blocked', { blocked: 'picture' as const }],
    ['autoplay_blocked', { blocked: 'sound' as const }],
    ['dtls_failed', { peer: { ...CONNECTED, connectionState: 'failed' as const } }],
    ['media_interrupted', { peer: { ...CONNECTED, iceState: 'disconnected' as const } }],
  ])('%s', (code, changes) => {
    expect(codes(report('healthy', changes))).toEqual([code]);
  });

  it('says nothing of an error that is over', () => {
    const error = { code: 'network', status: 0, message: 'Lost.' };
    expect(codes(report('healthy', { error }))).toEqual([]);
  });

  describe('without a path for UDP', () => {
    it('tells a firewall, with the checks that were not answered', () => {
      const [found, ...others] = diagnose(report('blocked', { peer: NEVER }));
      expect(others).toEqual([]);
      expect(found).toMatchObject({ code: 'udp_blocked', severity: 'error' });
      expect(found?.message).toContain('no TURN server');
      expect(found?.figures).toMatchObject({ checksAnswered: 0, serverCandidates: 'host' });
      expect(found?.figures.checksSent).toBeGreaterThan(3);
    });

    it('waits before it says so', () => {
      expect(codes(report('blocked', { peer: { ...NEVER, ageMs: 1000 } }))).toEqual([]);
    });

    it('tells a TURN server that refuses from one that is not there', () => {
      const serverFailures = [
        { url: 'turn:a.example:3478', errorCode: 401, errorText: 'Unauthorized' },
        { url: 'turns:b.example:443', errorCode: 701, errorText: 'TURN host lookup received error.' },
        { url: 'stun:c.example', errorCode: 701, errorText: '' },
      ];
      const peer = { ...NEVER, hasRelayServer: true, serverFailures };
      const findings = diagnose(report('blocked', { peer }));
      expect(findings.map(({ code, severity }) => [code, severity])).toEqual([
        ['udp_blocked', 'error'],
        ['turn_refused', 'warning'],
        ['turn_unreachable', 'warning'],
      ]);
      expect(findings[1]).toMatchObject({
        message: 'The TURN server refuses: Unauthorized.',
        figures: { url: 'turn:a.example:3478', errorCode: 401 },
      });
    });

    it('blames the server where that has named no address', () => {
      const { stats } = report('blocked');
      const paths = { ...stats.paths, remote: [] };
      expect(codes(report('blocked', { peer: NEVER, stats: { ...stats, paths } }))).toEqual([
        'no_server_candidates',
      ]);
    });
  });

  it('tells lost packets', () => {
    const found = diagnose(report('lossy'), conditions.lossy.server).find(
      ({ code }) => code === 'packet_loss',
    );
    expect(found?.message).toMatch(/^\d+(\.\d)? % of the packets are lost/);
    expect(found?.figures.lossRatio).toBeGreaterThan(0.02);
    expect(found?.figures.nacksSent).toBeGreaterThan(0);
  });

  it('tells a decoder that is too slow from packets that are lost', () => {
    const { stats } = report('healthy');
    const recent = stats.recent && { ...stats.recent, framesDropped: stats.recent.framesReceived / 2 };
    expect(codes(report('healthy', { stats: { ...stats, recent } }))).toEqual(['decoder_slow']);
    expect(codes(report('healthy', { stats: { ...stats, decodeMs: 60 } }))).toEqual(['decoder_slow']);
    const lossy = recent && { ...recent, lossRatio: 0.05 };
    expect(codes(report('healthy', { stats: { ...stats, recent: lossy } }))).toEqual(['packet_loss']);
  });

  it.each([
    ['encoder_slow', { load: 1.1 }],
    ['capture_slow', { latency: { ...times(5), capture: { meanMs: 140, maxMs: 200 } } }],
    ['server_busy', { latency: { ...times(5), send: { meanMs: 40, maxMs: 90 } } }],
  ])('tells what the server is slow at: %s', (code, changes) => {
    expect(codes(report('healthy'), serverWith(changes))).toEqual([code]);
  });

  it('tells a connection over which no picture comes', () => {
    const { stats } = report('healthy');
    const nothing = { ...stats, width: undefined, recent: undefined };
    expect(codes(report('healthy', { stats: nothing }))).toEqual(['no_picture']);
  });
});

describe('stageLatency', () => {
  it('joins what both ends measured, and says what is an estimate', () => {
    const { stages, totalMs } = stageLatency(report('healthy'), conditions.healthy.server);
    expect(stages.map(({ stage }) => stage).join(' ')).toBe(
      'capture encode send network jitterBuffer decode',
    );
    expect(stages.every(({ ms = -1 }) => ms >= 0)).toBe(true);
    expect(stages.filter(({ estimated }) => estimated).map(({ stage }) => stage)).toEqual(['network']);
    expect(totalMs).toBeGreaterThan(10);
    expect(totalMs).toBeLessThan(1000);
  });

  it('sums up where the browser does not tell the whole, and not where a stage is missing', () => {
    const whole = report('healthy');
    const stats = { ...whole.stats, playoutLatencyMs: undefined };
    const { stages, totalMs, totalFrom } = stageLatency({ ...whole, stats }, conditions.healthy.server);
    expect(totalFrom).toBe('sum');
    expect(totalMs).toBeCloseTo(stages.reduce((sum, { ms = 0 }) => sum + ms, 0));
    expect(stageLatency({ ...whole, stats }).totalMs).toBeUndefined();
  });
});

function times(ms: number): { capture: object; encode: object; send: object } {
  const stage = { meanMs: ms, maxMs: ms };
  return { capture: stage, encode: stage, send: stage };
}
