import { describe, expect, it } from 'vitest';

import { pushTarget } from '../../../src/publish/push-target.js';

const KEY = 'a-secret-key';

describe('a server of RTMP or SRT', () => {
  it.each([
    [`rtmp://live.example.com/app/${KEY}`, 'http://live.example.com:1935/', `/app/${KEY}`],
    [`rtmps://live.example.com/app/${KEY}?a=b`, 'https://live.example.com/', `/app/${KEY}?a=b`],
    [`rtmps://LIVE.example.com:1936/a/b/${KEY}`, 'https://live.example.com:1936/', `/a/b/${KEY}`],
    [`rtmp://[2001:db8::1]/app/${KEY}`, 'http://[2001:db8::1]:1935/', `/app/${KEY}`],
  ])('of %s is known by its host as that of a web page', (text, hostUrl, rest) => {
    const target = pushTarget(new URL(text));
    expect([target.kind, target.hostUrl.href, target.rest]).toEqual(['rtmp', hostUrl, rest]);
  });

  it.each(['0x7f000001', '2130706433', '127.1', '0177.0.0.1', '%31%32%37.0.0.1'])(
    'is known by its address where that is written as %s',
    (host) => {
      expect(pushTarget(new URL(`rtmp://${host}/app/key`)).host).toBe('127.0.0.1');
    },
  );

  it('gives FFmpeg the parameters of SRT in its own units, as a caller with a time limit', () => {
    const url = `srt://live.example.com:9000?streamid=%23!::r=a%26b&passphrase=${KEY}&pbkeylen=32&latency=120&mode=caller`;
    const { kind, host, port, rest } = pushTarget(new URL(url));
    expect([kind, host, port]).toEqual(['srt', 'live.example.com', 9000]);
    expect(rest).toBe(
      `?mode=caller&pkt_size=1316&timeout=5000000&streamid=%23!%3A%3Ar%3Da%26b&passphrase=${KEY}&pbkeylen=32&latency=120000`,
    );
  });

  it('of RTMP has up to 1000 characters of path and query', () => {
    const rest = `/app/${KEY}?`.padEnd(1000, 'a');
    expect(pushTarget(new URL(`rtmp://live.example.com${rest}`)).rest).toBe(rest);
    const parse = (): unknown => pushTarget(new URL(`rtmp://live.example.com${rest}a`));
    expect(parse).toThrow('Expected at most 1000 characters');
    expect(parse).not.toThrow(KEY);
  });

  it.each([
    ['rtmp://live.example.com/', 'application and stream key'],
    [`rtmp://live.example.com/${KEY}`, 'application and stream key'],
    [`rtmp://live.exa%20mple.com/app/${KEY}`, 'a host in url'],
    [`rtmp:///app/${KEY}`, 'a host in url'],
    [`srt://live.example.com?streamid=${KEY}`, 'a port'],
    [`srt://live.example.com:9000/${KEY}`, 'no path'],
    [`srt://live.example.com:9000?mode=listener&streamid=${KEY}`, 'caller for mode'],
    [`srt://live.example.com:9000?passphrase=${KEY}%26mode=listener`, 'for passphrase'],
    [`srt://live.example.com:9000?passphrase=short`, 'for passphrase'],
    [`srt://live.example.com:9000?streamid=${KEY}&streamid=${KEY}`, 'each once'],
    [`srt://live.example.com:9000?localaddr=${KEY}`, 'only mode, streamid'],
    [`srt://live.example.com:9000?constructor=${KEY}`, 'only mode, streamid'],
    [`srt://live.example.com:9000?latency=8001&streamid=${KEY}`, '20 to 8000 ms for latency'],
    [`srt://live.example.com:9000?streamid=${KEY.repeat(50)}`, '1 to 512 characters for streamid'],
  ])('is refused as %s, without a word of what is secret', (text, said) => {
    const parse = (): unknown => pushTarget(new URL(text));
    expect(parse).toThrow(
      expect.objectContaining({ code: 'bad_request', message: expect.stringContaining(said) }),
    );
    expect(parse).not.toThrow(KEY);
  });
});
