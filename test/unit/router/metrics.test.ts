import { request as httpRequest } from 'node:http';
import { once } from 'node:events';

import { afterEach, describe, expect, it } from 'vitest';

import type { VideoEncoderStats } from '../../../src/render/encode/encode-thread.js';
import type { EncodedFrame } from '../../../src/render/encode/encoded-frame.js';
import { StreamKitError } from '../../../src/base/errors.js';
import type { StreamKitOptions } from '../../../src/options/stream-kit-options.js';
import { samplesOf, typesOf } from '../../helpers/exposition.js';
import type { RouterServer } from '../../helpers/router-server.js';
import { ask, EventStreamClient, postJson, serveRouter } from '../../helpers/router-server.js';
import { settle } from '../../helpers/virtual-clock.js';

const servers: RouterServer[] = [];

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

async function serve(options: StreamKitOptions = {}): Promise<RouterServer> {
  const server = await serveRouter(options);
  servers.push(server);
  return server;
}

const target = { targetUrl: 'https://game.example.org/' };

const keyframe: EncodedFrame = {
  ...{ codec: 'h264', bytes: new Uint8Array(7), keyframe: true, rtpTimestamp: 1, rung: 0 as const },
  ...{ captureTimeUs: 1000, readTimeUs: 9000, encodedTimeUs: 12_000, repeated: false },
};

const stats: VideoEncoderStats = {
  ...{
    codec: 'h264',
    rung: 0,
    encoder: 'libx264',
    candidate: 0,
    width: 1280,
    height: 720,
    frameRate: 30,
    bitrateBps: 4e6,
  },
  ...{ framesRead: 40, framesDropped: 3 },
};

/** A session with one viewer, connected 250 ms after its offer. */
async function streaming(server: RouterServer) {
  const { parts, url } = server;
  const { json } = await postJson(url, target);
  const streamId = json.streamId as string;
  await parts.clock.advance(1500);
  parts.launches.at(-1)?.succeed();
  await settle();
  const events = await EventStreamClient.open(`${url}/${streamId}/sse`);
  const { viewerId } = await events.signal<{ viewerId: string }>('viewer');
  await parts.clock.advance(250);
  parts.peers.at(-1)?.connect('h264');
  const consumers = parts.producers.slice(-2).flatMap((producer) => [...producer.consumers]);
  const [audio, video] = parts.producers.at(-1)?.kind === 'video' ? consumers : consumers.toReversed();
  if (audio === undefined || video === undefined) throw new Error('There are no consumers');
  return { streamId, viewerId, events, audio, video };
}

async function scrape({ router }: RouterServer): Promise<Map<string, number>> {
  return samplesOf(await router.metrics());
}

describe('metrics', () => {
  it('tell of a session and its viewer, from the first request to the end', async () => {
    const server = await serve({ maxSessions: 2 });
    const { parts, url } = server;
    const { streamId, viewerId, events, audio, video } = await streaming(server);
    parts.videoListener?.onEncodedFrame(keyframe);
    parts.videoListener?.onEncodedFrame({ ...keyframe, keyframe: false, repeated: true });
    parts.videoListener?.onStats(stats);
    parts.producers.find(({ kind }) => kind === 'video')?.listener.onKeyframeWanted();
    Object.assign(video.stats, {
      packetsSent: 100,
      bytesSent: 1e5,
      packetsRetransmitted: 4,
      repairPacketsSent: 7,
      repairBytesSent: 9000,
      framesDropped: 2,
    });
    Object.assign(video.stats, { nacksReceived: 3, plisReceived: 5, firsReceived: 1 });
    Object.assign(audio.stats, { packetsSent: 50, bytesSent: 5e3 });

    const during = await server.router.metrics();
    expect(Object.fromEntries(samplesOf(during))).toMatchObject({
      'stream_kit_sessions{status="streaming"}': 1,
      'stream_kit_sessions{status="initializing"}': 0,
      stream_kit_sessions_limit: 2,
      stream_kit_sessions_started_total: 1,
      'stream_kit_sessions_ended_total{reason="deleted"}': 0,
      stream_kit_session_launch_duration_seconds_sum: 1.5,
      stream_kit_viewers: 1,
      stream_kit_viewers_connected: 1,
      stream_kit_viewer_joins_total: 1,
      'stream_kit_viewer_join_duration_seconds_sum{codec="h264"}': 0.25,
      'stream_kit_viewer_join_duration_seconds_bucket{le="0.2",codec="h264"}': 0,
      'stream_kit_viewer_join_duration_seconds_bucket{le="0.3",codec="h264"}': 1,
      'stream_kit_viewer_first_frame_seconds_count{codec="h264"}': 1,
      stream_kit_frames_captured_total: 40,
      'stream_kit_frames_encoded_total{codec="h264"}': 2,
      'stream_kit_keyframes_encoded_total{codec="h264"}': 1,
      'stream_kit_keyframes_requested_total{codec="h264"}': 1,
      'stream_kit_frames_dropped_total{stage="encode"}': 3,
      'stream_kit_frames_dropped_total{stage="send"}': 2,
      'stream_kit_frame_encode_duration_seconds_sum{codec="h264"}': 0.006,
      'stream_kit_frame_capture_to_encode_seconds_count{codec="h264"}': 1,
      'stream_kit_frame_capture_to_encode_seconds_sum{codec="h264"}': 0.011,
      'stream_kit_encoders{codec="h264",encoder="libx264"}': 1,
      'stream_kit_media_packets_sent_total{kind="video"}': 100,
      'stream_kit_media_packets_sent_total{kind="audio"}': 50,
      'stream_kit_media_bytes_sent_total{kind="video"}': 1e5,
      'stream_kit_media_packets_retransmitted_total{kind="video"}': 4,
      'stream_kit_media_repair_packets_sent_total{kind="video"}': 7,
      'stream_kit_media_repair_bytes_sent_total{kind="video"}': 9000,
      'stream_kit_nacks_received_total{kind="video"}': 3,
      'stream_kit_keyframe_requests_received_total{type="pli"}': 5,
      'stream_kit_keyframe_requests_received_total{type="fir"}': 1,
      'stream_kit_media_plane_info{plane="werift"}': 1,
      'stream_kit_http_requests_total{route="/",method="POST",status_class="2xx"}': 1,
      'stream_kit_http_requests_total{route="/:streamId/sse",method="GET",status_class="2xx"}': 1,
    });
    for (const secret of [streamId, viewerId]) expect(during).not.toContain(secret);

    events.abort();
    expect((await ask(`${url}/${streamId}`, { method: 'DELETE' })).status).toBe(204);
    expect(Object.fromEntries(await scrape(server))).toMatchObject({
      'stream_kit_sessions{status="streaming"}': 0,
      'stream_kit_sessions_ended_total{reason="deleted"}': 1,
      'stream_kit_viewer_leaves_total{reason="deleted"}': 1,
      stream_kit_session_duration_seconds_count: 1,
      stream_kit_viewers: 0,
      stream_kit_viewers_connected: 0,
      'stream_kit_encoders{codec="h264",encoder="libx264"}': 0,
      // What is gone is still counted.
      'stream_kit_media_packets_sent_total{kind="video"}': 100,
      'stream_kit_frames_dropped_total{stage="send"}': 2,
      stream_kit_frames_captured_total: 40,
    });
  });

  it('add up what was sent to all viewers that ever were, counting none twice', async () => {
    const server = await serve();
    const first = await streaming(server);
    first.video.stats.packetsSent = 10;
    await ask(`${server.url}/${first.streamId}`, { method: 'DELETE' });
    const second = await streaming(server);
    second.video.stats.packetsSent = 5;
    for (let reading = 0; reading < 2; reading += 1) {
      const packets = (await scrape(server)).get('stream_kit_media_packets_sent_total{kind="video"}');
      expect(packets).toBe(15);
    }
  });

  it('tell a browser that was lost from a page that could not be opened', async () => {
    const server = await serve();
    const { parts, url } = server;
    await postJson(url, target);
    parts.launches[0]?.fail(new StreamKitError('capture_failed', 'x'));
    await settle();
    await streaming(server);
    parts.launches[1]?.listener.onEnded(new StreamKitError('browser_crashed', 'x'));
    await settle();
    const samples = await scrape(server);
    expect(samples.get('stream_kit_session_failures_total{code="capture_failed"}')).toBe(1);
    expect(samples.get('stream_kit_session_failures_total{code="browser_crashed"}')).toBe(1);
    expect(samples.get('stream_kit_capture_crashes_total{code="browser_crashed"}')).toBe(1);
    expect(samples.has('stream_kit_capture_crashes_total{code="capture_failed"}')).toBe(false);
    expect(samples.get('stream_kit_sessions_ended_total{reason="error"}')).toBe(2);
    expect(samples.get('stream_kit_sessions{status="error"}')).toBe(2);
  });

  it('count an encoder that was replaced, and the one in its place', async () => {
    const server = await serve();
    await streaming(server);
    const { videoListener } = server.parts;
    videoListener?.onStats({ ...stats, encoder: 'h264_vaapi' });
    videoListener?.onEncoderReplaced({
      ...{ codec: 'h264', rung: 0, failed: 'h264_vaapi', next: 'libx264', reason: 'x', candidate: 1 },
    });
    videoListener?.onStats(stats);
    const samples = await scrape(server);
    expect(samples.get('stream_kit_encoder_replacements_total{codec="h264"}')).toBe(1);
    expect(samples.get('stream_kit_encoders{codec="h264",encoder="h264_vaapi"}')).toBe(0);
    expect(samples.get('stream_kit_encoders{codec="h264",encoder="libx264"}')).toBe(1);
  });

  it('have as many series whatever clients ask for', async () => {
    const server = await serve();
    const askOddly = async (method: string, path: string): Promise<void> => {
      const request = httpRequest(server.url + path, { method }).end();
      const [response] = await once(request, 'response');
      response.resume();
      await once(response, 'end');
    };
    await askOddly('GET', '/a');
    await askOddly('PROPFIND', '/a');
    const before = (await server.router.metrics()).split('\n').length;
    for (const [method, path] of [
      ['GET', '/b?x=1'],
      ['PROPFIND', '/c'],
      ['MKCOL', '/d'],
      ['GET', '/e/f/g/h'],
    ] as const) {
      await askOddly(method, path);
    }
    const text = await server.router.metrics();
    // The delay of the event loop is there from the second reading on.
    const lines = text.split('\n').filter((line) => !line.startsWith('stream_kit_event_loop_delay_seconds{'));
    expect(lines).toHaveLength(before);
    const samples = samplesOf(text);
    expect(
      samples.get('stream_kit_http_requests_total{route="/:streamId",method="other",status_class="4xx"}'),
    ).toBe(3);
    expect(samples.get('stream_kit_http_errors_total{code="no_such_session"}')).toBe(2);
    expect(samples.get('stream_kit_http_errors_total{code="method_not_allowed"}')).toBe(3);
  });

  it('tell who was refused for asking too often', async () => {
    const server = await serve({ rateLimits: { sessionsPerMinute: 1 } });
    const answers = [await postJson(server.url, target), await postJson(server.url, target)];
    expect(answers.map(({ status }) => status)).toEqual([201, 429]);
    const samples = await scrape(server);
    expect(samples.get('stream_kit_rate_limit_refusals_total{limit="sessions"}')).toBe(1);
    expect(samples.get('stream_kit_rate_limit_refusals_total{limit="signals"}')).toBe(0);
  });

  it('are named as Prometheus wants them', async () => {
    const server = await serve();
    await streaming(server);
    const types = typesOf(await server.router.metrics());
    expect(types.size).toBeGreaterThan(30);
    for (const [name, type] of types) {
      expect(name).toMatch(/^stream_kit_[a-z]+(_[a-z]+)*$/);
      expect(name.endsWith('_total'), name).toBe(type === 'counter');
      expect(name).not.toMatch(/_(ms|us|milliseconds|microseconds|kb|bits)(_|$)/);
      if (type === 'histogram') expect(name).toMatch(/_seconds$/);
    }
  });

  it('are of one router alone', async () => {
    const [one, other] = [await serve(), await serve()];
    await postJson(one.url, target);
    expect((await scrape(one)).get('stream_kit_sessions_started_total')).toBe(1);
    expect((await scrape(other)).get('stream_kit_sessions_started_total')).toBe(0);
  });

  it('can still be read once everything is closed', async () => {
    const server = await serve();
    await postJson(server.url, target);
    await server.router.close();
    expect((await scrape(server)).get('stream_kit_sessions_ended_total{reason="shutdown"}')).toBe(1);
  });
});

describe('the route of the metrics', () => {
  it('is there only where it is asked for', async () => {
    const { url } = await serve();
    expect((await ask(`${url}/metrics`)).json.error.code).toBe('no_such_session');
  });

  it('answers in the format of Prometheus, below the base path, and beside the sessions', async () => {
    const { url, router } = await serve({ metrics: true, basePath: '/stream' });
    const response = await fetch(`${url}/stream/metrics`);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(response.headers.get('content-type')).toBe(router.metricsContentType);
    expect(samplesOf(await response.text()).get('stream_kit_sessions_started_total')).toBe(0);
    expect((await ask(`${url}/stream/metrics`, { method: 'DELETE' })).status).toBe(405);
    expect((await postJson(`${url}/stream`, target)).status).toBe(201);
    expect((await ask(`${url}/stream/other`)).json.error.code).toBe('no_such_session');
  });

  it('may lie elsewhere', async () => {
    const { url } = await serve({ metrics: { path: '/internal/prometheus' } });
    expect((await fetch(`${url}/internal/prometheus`)).status).toBe(200);
    expect((await ask(`${url}/metrics`)).status).toBe(404);
  });

  it('asks validateRequest', async () => {
    const { url } = await serve({
      metrics: true,
      validateRequest: ({ headers }) => ({
        authorized: headers.authorization === 'Bearer scraper',
        role: 'operator',
      }),
    });
    expect((await ask(`${url}/metrics`)).status).toBe(401);
    expect((await fetch(`${url}/metrics`, { headers: { authorization: 'Bearer scraper' } })).status).toBe(
      200,
    );
  });
});
