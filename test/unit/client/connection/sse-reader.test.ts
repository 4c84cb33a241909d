import { describe, expect, it } from 'vitest';
import { readEventStream, SseParser, type SseEvent } from '../../../../src/client/connection/sse-reader.js';
import { StreamError } from '../../../../src/client/connection/stream-error.js';

interface Parsed {
  events: SseEvent[];
  retries: number[];
}

function parse(chunks: readonly Uint8Array[], maxLength?: number): Parsed {
  const parsed: Parsed = { events: [], retries: [] };
  const parser = new SseParser(
    { onEvent: (event) => parsed.events.push(event), onRetry: (retryMs) => parsed.retries.push(retryMs) },
    maxLength,
  );
  for (const chunk of chunks) parser.push(chunk);
  return parsed;
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const parseText = (text: string, maxLength?: number): Parsed => parse([bytes(text)], maxLength);

describe('SseParser', () => {
  it('reads type, data and id of an event', () => {
    expect(parseText('event: state_patch\nid: 7\ndata: [1]\n\n').events).toEqual([
      { type: 'state_patch', data: '[1]', lastEventId: '7' },
    ]);
  });

  it('reads the RTP timestamp of an event, of that alone', () => {
    const times = parseText('time: 4294967295\ndata: 1\n\ndata: 2\n\ntime: 1e3\ndata: 3\n\n').events;
    expect(times.map(({ time }) => time)).toEqual([4294967295, undefined, undefined]);
  });

  it.each(['\n', '\r', '\r\n'])('takes %j as the end of a line', (end) => {
    const text = ['data: a', 'data: b', '', 'data: c', '', ''].join(end);
    expect(parseText(text).events.map(({ data }) => data)).toEqual(['a\nb', 'c']);
  });

  it('takes mixed line ends, and LF CR as two', () => {
    expect(parseText('data: a\r\ndata: b\rdata: c\n\rdata: d\n\n').events.map(({ data }) => data)).toEqual([
      'a\nb\nc',
      'd',
    ]);
  });

  it('dispatches at a CR without waiting for what follows it', () => {
    expect(parseText('data: a\r\r').events).toHaveLength(1);
  });

  it('strips one space after the colon and no more', () => {
    expect(parseText('data:a\ndata: b\ndata:  c\n\n').events[0]?.data).toBe('a\nb\n c');
  });

  it('ignores comments and unknown fields', () => {
    expect(parseText(': ping\nfoo: bar\ndata: a\n:\n\n').events).toEqual([
      { type: 'message', data: 'a', lastEventId: '' },
    ]);
  });

  it('takes a line without a colon as a field with an empty value', () => {
    expect(parseText('data\n\ndata\ndata\n\n').events.map(({ data }) => data)).toEqual(['', '\n']);
  });

  it('dispatches nothing without data, and forgets the type', () => {
    expect(parseText('event: a\n\ndata: b\n\n').events).toEqual([
      { type: 'message', data: 'b', lastEventId: '' },
    ]);
  });

  it('keeps the last id over later events, and takes an empty id as a reset', () => {
    const { events } = parseText('id: 1\ndata: a\n\ndata: b\n\nid: 2\n\ndata: c\n\nid\ndata: d\n\n');
    expect(events.map(({ lastEventId }) => lastEventId)).toEqual(['1', '1', '2', '']);
  });

  it('ignores an id with a null character', () => {
    expect(parseText('id: 1\nid: 2\0\ndata: a\n\n').events[0]?.lastEventId).toBe('1');
  });

  it('reports retry when it is all digits', () => {
    expect(parseText('retry: 1000\nretry: 1s\nretry: -1\nretry:\n\n').retries).toEqual([1000]);
  });

  it('strips a byte order mark at the start only', () => {
    expect(parseText('\uFEFFdata: a\n\n\uFEFFdata: b\n\n').events.map(({ data }) => data)).toEqual(['a']);
  });

  it('drops an event that the end of the stream cuts short', () => {
    expect(parseText('data: a\n\ndata: b\n').events).toHaveLength(1);
  });

  it('gives the same events wherever the bytes are split', () => {
    const text =
      '\uFEFFretry: 10\r\nevent: x\r\nid: é1\r\ndata: 猫🐈\r\ndata: b\r\n\r\n: c\r\rdata: d\n\ndata: e\r\r\n';
    const all = bytes(text);
    const whole = parse([all]);
    expect(whole.events).toHaveLength(3);
    for (let cut = 0; cut <= all.length; cut++) {
      expect(parse([all.subarray(0, cut), all.subarray(cut)])).toEqual(whole);
    }
    expect(parse(Array.from(all, (_, index) => all.subarray(index, index + 1)))).toEqual(whole);
  });

  it('refuses a line or an event beyond the bound', () => {
    expect(() => parseText(`data: ${'a'.repeat(100)}\n\n`, 50)).toThrow(StreamError);
    expect(() => parseText(`data: ${'a'.repeat(30)}\ndata: ${'a'.repeat(30)}\n\n`, 50)).toThrow(StreamError);
    const endless = Array.from({ length: 10 }, () => bytes('aaaaaaaaaa'));
    expect(() => parse(endless, 50)).toThrow(StreamError);
  });
});

describe('readEventStream', () => {
  it('reads to the end and tells of every arrival', async () => {
    const events: SseEvent[] = [];
    let arrivals = 0;
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        for (const part of ['data: a\n', '\n', ': ping\n\n']) controller.enqueue(bytes(part));
        controller.close();
      },
    });
    await readEventStream(body, { onEvent: (event) => events.push(event), onActivity: () => arrivals++ });
    expect(events.map(({ data }) => data)).toEqual(['a']);
    expect(arrivals).toBe(3);
  });

  it('cancels the body after an error', async () => {
    let cancelled = false;
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(bytes('data: aaaaaaaaaaaa')),
      cancel: () => {
        cancelled = true;
      },
    });
    await expect(readEventStream(body, { onEvent: () => undefined }, 20)).rejects.toMatchObject({
      code: 'protocol',
    });
    expect(cancelled).toBe(true);
  });
});
