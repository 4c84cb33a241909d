import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';
import type { ClientReport } from '../../../../src/client/diagnose/client-report.js';
import { diagnose } from '../../../../src/client/diagnose/diagnose.js';
import type { PeerReport } from '../../../../src/client/diagnose/peer-report.js';
import type { SessionDiagnostics } from '../../../../src/protocol/session-diagnostics.js';
import { stageLatency } from '../../../../src/client/diagnose/stage-latency.js';
import { StatsSampler } from '../../../../src/client/diagnose/stats-sampler.js';

/** What both ends told: two readings of Chromium's `getStats()` a second apart, the peer, and the server. */
interface Condition {
  readonly first: { id: string }[];
  readonly second: { id: string }[];
  readonly publicId: string;
  readonly peer: PeerReport;
  readonly server: SessionDiagnostics;
}

/**
 * Recorded from Chromium 156, one session and a NAT on the loopback address, and reduced to what is read. `healthy`: all comes
 * through; `lossy`: 6 % of the media's packets do not; `noDtls`, `noMedia`: none of these do; `noUdp`: nothing does, nor helps
 * one TURN server with another password, one that is silent, and one without a port; `interrupted`: cut off a second ago.
 */
const conditions = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../../fixtures/viewer-stats.json'), 'utf8'),
) as Record<'healthy' | 'lossy' | 'noUdp' | 'noDtls' | 'noMedia' | 'interrupted', Condition>;

const CONNECTED = conditions.healthy.peer;
const NEVER: PeerReport = {
  ...conditions.noUdp.peer,
  serverFailures: [],
  relayServers: [],
  serverNamed: false,
};

function report(name: keyof typeof conditions, changes: Partial<ClientReport> = {}): ClientReport {
  const { first, second, publicId, peer } = conditions[name];
  const sampler = new StatsSampler();
  sampler.sample(new Map(first.map((entry) => [entry.id, entry])));
  return {
    status: 'connected',
    publicId,
    sessionStatus: 'streaming',
    sessionError: undefined,
    error: undefined,
    blocked: undefined,
    peer,
    stats: sampler.sample(new Map(second.map((entry) => [entry.id, entry]))),
    ...changes,
  };
}

const failed = (code: string, status = 0): Partial<ClientReport> => ({
  status: 'failed',
  peer: undefined,
  error: { code, status, message: 'So it is.' },
});

function codes(of: ClientReport, server?: SessionDiagnostics): string[] {
  return diagnose(of, server).map(({ code }) => code);
}

/** The recorded server, but for its first encoding. */
function serverWith(changes: object): SessionDiagnostics {
  const { server } = conditions.healthy;
  return { ...server, encodings: server.encodings.map((encoding) => ({ ...encoding, ...changes })) };
}

describe('diagnose', () => {
  it.each([
    ['healthy', []],
    ['lossy', ['packet_loss']],
    ['noUdp', ['udp_blocked', 'turn_refused', 'turn_unreachable', 'turn_unreachable']],
    ['noDtls', ['dtls_failed']],
    ['noMedia', ['no_picture']],
    ['interrupted', ['media_interrupted']],
  ] as const)('says of what was recorded: %s', (name, expected) => {
    expect(codes(report(name), conditions[name].server)).toEqual(expected);
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

  it('keeps what failed one peer until the next one stands, or can be looked at', () => {
    const error = { code: 'ice_failed', status: 0, message: 'No network path was found.' };
    const young = { ...NEVER, ageMs: 500 };
    expect(codes(report('noUdp', { peer: young, error }))).toEqual(['ice_failed']);
    expect(codes(report('noUdp', { peer: NEVER, error }))).toEqual(['udp_blocked']);
    expect(codes(report('healthy', { error }))).toEqual([]);
  });

  it('says nothing of an error that is over', () => {
    const error = { code: 'network', status: 0, message: 'Lost.' };
    expect(codes(report('healthy', { error }))).toEqual([]);
  });

  describe('without a path for UDP', () => {
    it('tells a firewall, with the checks that were not answered', () => {
      const [found, ...others] = diagnose(report('noUdp', { peer: NEVER }));
      expect(others).toEqual([]);
      expect(found).toMatchObject({ code: 'udp_blocked', severity: 'error' });
      expect(found?.message).toContain('no TURN server');
      expect(found?.figures).toMatchObject({ checksAnswered: 0, serverCandidates: 'host' });
      expect(found?.figures.checksSent).toBeGreaterThan(3);
    });

    it('waits before it says so', () => {
      expect(codes(report('noUdp', { peer: { ...NEVER, ageMs: 1000 } }))).toEqual([]);
    });

    it('tells a TURN server that refuses from those that are not there, or do not answer', () => {
      const serverFailures = [
        { url: 'turn:a.example:3478?transport=udp', errorCode: 401, errorText: 'Unauthorized.' },
        { url: 'turns:b.example:443?transport=tcp', errorCode: 701, errorText: 'Failed to connect' },
        { url: 'stun:c.example:3478', errorCode: 701, errorText: '' },
      ];
      const relayServers = ['turn:a.example', 'turns:b.example:443?transport=tcp', 'turn:silent.example'];
      const peer = { ...NEVER, relayServers, serverFailures };
      const findings = diagnose(report('noUdp', { peer }));
      expect(findings.map(({ code, severity, figures: { url } }) => [code, severity, url])).toEqual([
        ['udp_blocked', 'error', undefined],
        ['turn_refused', 'warning', 'turn:a.example:3478?transport=udp'],
        ['turn_unreachable', 'warning', 'turns:b.example:443?transport=tcp'],
        ['turn_unreachable', 'warning', 'turn:silent.example'],
      ]);
      expect(findings[0]?.message).toContain('The TURN server did not help.');
      expect(findings[1]?.message).toBe('The TURN server refuses: Unauthorized.');
    });

    it('says nothing of relays where one has helped', () => {
      const { paths } = report('noUdp').stats;
      const stats = { ...report('noUdp').stats, paths: { ...paths, local: ['host', 'relay'] } };
      const peer = { ...NEVER, relayServers: ['turn:a.example', 'turn:silent.example'] };
      expect(codes(report('noUdp', { peer, stats }))).toEqual(['udp_blocked']);
    });

    it('blames the server where that has named no address', () => {
      const { stats } = report('noUdp');
      const paths = { ...stats.paths, remote: [] };
      expect(codes(report('noUdp', { peer: NEVER, stats: { ...stats, paths } }))).toEqual([
        'no_server_candidates',
      ]);
      // Chromium's statistics leave out a candidate all of whose pairs have failed.
      const told = { ...NEVER, serverNamed: true };
      expect(codes(report('noUdp', { peer: told, stats: { ...stats, paths } }))).toEqual(['udp_blocked']);
    });
  });

  it('tells lost packets, by how many', () => {
    const [found] = diagnose(report('lossy'), conditions.lossy.server);
    expect(found?.message).toMatch(/^4\.6 % of the packets are lost/);
    expect(found?.figures).toMatchObject({ lossRatio: 0.046, packetsReceived: 167, nacksSent: 9 });
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

  it('tells that a server with a GPU draws the page without it, and nothing of one that has none', () => {
    const rendering = (fallback: boolean) => ({ renderer: 'SwiftShader', software: true, fallback });
    const server = serverWith({});
    const [found, ...others] = diagnose(report('healthy'), { ...server, rendering: rendering(true) });
    expect(found).toMatchObject({ code: 'rendering_in_software', figures: { renderer: 'SwiftShader' } });
    expect(others).toEqual([]);
    expect(diagnose(report('healthy'), { ...server, rendering: rendering(false) })).toEqual([]);
  });

  it('tells a picture that does not arrive from one that is not sent, and one that is of no use', () => {
    const said = (...told: Parameters<typeof diagnose>): string | undefined => diagnose(...told)[0]?.message;
    expect(said(report('noMedia'), conditions.noMedia.server)).toContain('sends, and nothing arrives');
    expect(said(report('noMedia'))).toBe('The connection stands, but no picture has come.');
    const { stats } = report('healthy');
    expect(said(report('healthy', { stats: { ...stats, width: undefined } }))).toContain('not whole');
  });

  it('takes pictures that are held back for their sound for as they should be', () => {
    const { stats } = report('healthy');
    const silent = { ...stats, audioCodec: undefined };
    expect(stats.jitterBufferMs).toBeGreaterThan(150);
    expect(codes(report('healthy'))).toEqual([]);
    expect(codes(report('healthy', { stats: silent }))).toEqual(['jitter_buffer_high']);
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
