import jsonPatch from 'fast-json-patch';
import { describe, expect, it } from 'vitest';
import type { StreamSessionState } from '../../../../src/protocol/state-document.js';
import { SseParser } from '../../../../src/client/connection/sse-reader.js';
import { StateStore } from '../../../../src/client/connection/state-store.js';
import { StreamError } from '../../../../src/client/connection/stream-error.js';

function stateWith(metadata: Record<string, unknown>): StreamSessionState {
  return {
    streamId: 's',
    status: 'streaming',
    targetUrl: 'https://example.org/',
    clientConnected: true,
    lastActivityTime: 1,
    metadata: metadata as unknown as StreamSessionState['metadata'],
  };
}

function storeWith(state: StreamSessionState, eventId = '1'): StateStore {
  const store = new StateStore();
  store.apply(JSON.stringify([{ op: 'replace', path: '', value: state }]), eventId);
  return store;
}

describe('StateStore', () => {
  it('takes the first patch as the whole document', () => {
    const state = stateWith({ viewers: 1 });
    const store = storeWith(state, '41');
    expect(store.state).toEqual(state);
    expect(store.lastEventId).toBe('41');
  });

  it('equals the server document after a run of patches, however the stream is split', () => {
    const documents = [
      stateWith({ viewers: 0, page: { list: [1, 2, 3], 'a/b~c': 'x', text: 'ü🐈' } }),
      stateWith({ viewers: 1, page: { list: [1, 3], 'a/b~c': 'y', text: 'ü🐈🐈' } }),
      stateWith({ viewers: 2, page: { list: [], deep: { er: [{ a: null }] } } }),
      { ...stateWith({}), status: 'terminated' as const, error: 'gone' },
    ];
    let stream = '';
    documents.forEach((document, index) => {
      const previous = documents[index - 1];
      const operations =
        previous === undefined
          ? [{ op: 'replace', path: '', value: document }]
          : jsonPatch.compare(previous, document);
      stream += `event: state_patch\nid: ${index + 1}\ndata: ${JSON.stringify(operations)}\n\n`;
    });
    const all = new TextEncoder().encode(stream);
    for (let cut = 0; cut <= all.length; cut++) {
      const store = new StateStore();
      const seen: unknown[] = [];
      const parser = new SseParser({
        onEvent: ({ data, lastEventId }) => {
          store.apply(data, lastEventId);
          seen.push(store.state);
        },
      });
      parser.push(all.subarray(0, cut));
      parser.push(all.subarray(cut));
      expect(seen).toEqual(documents);
      expect(store.lastEventId).toBe('4');
    }
  });

  it('never changes a document it has handed out', () => {
    const store = storeWith(stateWith({ page: { n: 1 } }));
    const before = store.state;
    const copy = structuredClone(before);
    store.apply('[{"op":"replace","path":"/metadata/page/n","value":2}]', '2');
    expect(before).toEqual(copy);
    expect(store.state?.metadata.page).toEqual({ n: 2 });
  });

  it('returns operations as they came, though one writes into the value of another', () => {
    const store = storeWith(stateWith({}));
    const sent = [
      { op: 'add', path: '/metadata/page', value: {} },
      { op: 'add', path: '/metadata/page/n', value: 1 },
    ];
    expect(store.apply(JSON.stringify(sent), '2')).toEqual(sent);
    expect(store.state?.metadata.page).toEqual({ n: 1 });
  });

  it('keeps the last good document and place when a patch fails half-way', () => {
    const store = storeWith(stateWith({ viewers: 1 }));
    const failing = [
      { op: 'replace', path: '/metadata/viewers', value: 9 },
      { op: 'replace', path: '/no/such/path', value: 1 },
    ];
    expect(() => store.apply(JSON.stringify(failing), '2')).toThrow(StreamError);
    expect(store.state?.metadata.viewers).toBe(1);
    expect(store.lastEventId).toBe('1');
  });

  it.each([
    ['no JSON', '{'],
    ['no array', '{"op":"replace","path":"","value":1}'],
    ['an unknown operation', '[{"op":"_get","path":"/status"}]'],
    ['an operation without path', '[{"op":"remove"}]'],
    ['a prototype', '[{"op":"add","path":"/__proto__/polluted","value":1}]'],
  ])('refuses %s', (_name, data) => {
    const store = storeWith(stateWith({}));
    expect(() => store.apply(data, '2')).toThrow(StreamError);
    expect({}).not.toHaveProperty('polluted');
  });

  it('refuses a patch before there is a document', () => {
    expect(() => new StateStore().apply('[{"op":"replace","path":"/status","value":"error"}]', '1')).toThrow(
      StreamError,
    );
  });

  it('skips a patch it has and refuses one after a gap', () => {
    const store = storeWith(stateWith({ viewers: 1 }), '5');
    const patch = '[{"op":"replace","path":"/metadata/viewers","value":2}]';
    expect(store.apply(patch, '5')).toBeUndefined();
    expect(() => store.apply(patch, '7')).toThrow('does not follow');
    expect(store.state?.metadata.viewers).toBe(1);
    expect(store.apply(patch, '6')).toHaveLength(1);
  });

  it('takes a whole document whatever its number: a restarted server counts anew', () => {
    const store = storeWith(stateWith({ viewers: 5 }), '500');
    store.apply(JSON.stringify([{ op: 'replace', path: '', value: stateWith({ viewers: 0 }) }]), '1');
    expect(store.state?.metadata.viewers).toBe(0);
    expect(store.lastEventId).toBe('1');
  });
});
