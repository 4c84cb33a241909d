import { EventEmitter } from 'node:events';
import { createContext, runInContext } from 'node:vm';

import { describe, expect, it } from 'vitest';

import type { CdpSession } from '../../../../src/render/capture/cdp-connection.js';
import { PageBridge } from '../../../../src/render/capture/page-bridge.js';
import { silentLogger } from '../../../../src/base/logger.js';

/** A page as far as the bridge reaches into it: the scripts run, in a realm of their own. */
async function pageWith(initialData: unknown, origin = 'https://app.example') {
  const said = new EventTarget();
  const realm = createContext({ TextEncoder, setTimeout, CustomEvent, performance: said });
  const run = (source: string): unknown => runInContext(source, realm);
  run('globalThis.self = globalThis.top = globalThis');
  run(`globalThis.location = { origin: ${JSON.stringify(origin)} }`);
  run('globalThis.posted = []; globalThis.postMessage = (...message) => posted.push(message)');
  const send = (method: string, parameters: Record<string, string> = {}): Promise<object> => {
    if (method === 'Page.addScriptToEvaluateOnNewDocument') run(parameters.source ?? '');
    if (method === 'Runtime.evaluate') run(parameters.expression ?? '');
    return Promise.resolve({});
  };
  const cdp = Object.assign(new EventEmitter(), { send }) as unknown as CdpSession;
  const messages: unknown[] = [];
  const listener = {
    onPageMetadata: () => undefined,
    onPageMessage: (message: unknown) => void messages.push(message),
  };
  const origins = ['https://app.example'];
  const bridge = new PageBridge({ initialData, origins, saidEvent: 'said', listener, logger: silentLogger });
  said.addEventListener('said', (event) => bridge.receive((event as CustomEvent<string>).detail, Date.now()));
  await bridge.install(cdp);
  const domContentLoaded = (): void =>
    void (cdp as unknown as EventEmitter).emit('Page.domContentEventFired');
  return { bridge, messages, run, domContentLoaded };
}

describe('what a client sends', () => {
  it('reaches the page as the JSON that it is, whatever its keys', async () => {
    const { bridge, run } = await pageWith(null);
    run(`streamKit.on('message', (message) => { globalThis.last = message; })`);
    const json = '{"__proto__":{"isAdmin":true},"constructor":{"prototype":1},"text":"\\u2028</script>"}';
    bridge.sendMessage(JSON.parse(json));
    expect(run('JSON.stringify(last)')).toBe(JSON.stringify(JSON.parse(json)));
    expect(run('last.isAdmin')).toBeUndefined();
  });

  it.each([
    ['deep', JSON.parse(`${'['.repeat(4000)}${']'.repeat(4000)}`) as unknown],
    ['wide', new Array(130_000).fill(0)],
  ])('is frozen in the page where it is %s', async (_name, initialData) => {
    const { run } = await pageWith(initialData);
    expect(run('Object.isFrozen(streamKit.initialData)')).toBe(true);
    const innermost =
      '(() => { let value = streamKit.initialData; while (value[0]) value = value[0]; return value; })()';
    expect(run(`Object.isFrozen(${innermost})`)).toBe(true);
  });
});

it('the state reaches listeners, late listeners, window and every later document', async () => {
  const { bridge, run, domContentLoaded } = await pageWith(null);
  run(`globalThis.states = []; streamKit.on('state', (state) => states.push(state))`);
  bridge.setState({ round: 1 });
  run(`streamKit.on('state', (state) => states.push({ late: state }))`);
  expect(run('JSON.stringify(states)')).toBe('[{"round":1},{"late":{"round":1}}]');
  expect(run('JSON.stringify(posted)')).toBe(
    JSON.stringify([['{"type":"state-update","state":{"round":1}}', '/']]),
  );
  run('states.length = 0');
  domContentLoaded();
  expect(run('JSON.stringify(states)')).toBe('[{"round":1},{"late":{"round":1}}]');
});

it('a document of another origin has neither the initial data nor the way to the server', async () => {
  const { run } = await pageWith({ token: 'secret' }, 'https://elsewhere.example');
  expect(run('typeof streamKit')).toBe('undefined');
  expect(run("Object.getOwnPropertyNames(globalThis).filter((name) => name.includes('streamKit'))")).toEqual(
    [],
  );
});

it.each(['const { streamKit } = globalThis; globalThis.seen = typeof streamKit.send;', 'var streamKit = 5;'])(
  'a script may declare a name streamKit: %s',
  async (script) => {
    const { run } = await pageWith(null);
    expect(() => run(script)).not.toThrow();
  },
);

it('a page that replaces functions that the bridge uses is understood as before', async () => {
  const { messages, run } = await pageWith(null);
  run(`
    JSON.stringify = JSON.parse = () => 'x'.repeat(1e6);
    Object.values = CustomEvent = TextEncoder = Function.prototype.call = () => { throw new Error('mine') };
    performance.dispatchEvent = () => true;
  `);
  run(`streamKit.send({ text: 'hello' })`);
  expect(messages).toEqual([{ text: 'hello' }]);
  expect(() => run(`streamKit.send('x'.repeat(70_000))`)).toThrow('Expected at most 65536 bytes of JSON');
});
