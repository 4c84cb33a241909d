import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  CipherContext,
  DtlsClient,
  DtlsServer,
  type DtlsSocket,
  HashAlgorithm,
  NamedCurveAlgorithm,
  ProtectionProfileAeadAes128Gcm,
  SignatureAlgorithm,
} from 'werift';

import { systemClock } from '../../../../src/base/clock.js';
import { fitDtls } from '../../../../src/peer/werift/werift-handshake.js';
import { until } from '../../../helpers/patience.js';
import { resourcesInUse } from '../../../helpers/resources.js';
import { seededRandom } from '../../../helpers/seeded-random.js';
import { SEED } from '../../../helpers/seed.js';

const HEADER_BYTES = 13;
const HANDSHAKE_HEADER_BYTES = 12;
const HANDSHAKE = 22;
const ALERT = 21;
const APPLICATION_DATA = 23;
const MIB = 2 ** 20;

type Mangle = (datagrams: Buffer[]) => Buffer[];
type Certificate = Awaited<ReturnType<typeof CipherContext.createSelfSignedCertificateWithKey>>;
type Received = (data: Buffer, from: readonly [string, number]) => void;

/** One end of a link in memory. What is sent within a turn of the event loop arrives after it, mangled. */
class LinkEnd {
  readonly type = 'memory';
  readonly address = { address: '127.0.0.1', port: 1, family: 'IPv4' };
  closed = false;
  onData: Received = () => undefined;
  /** Every datagram that has been sent, before it was mangled. */
  readonly sent: Buffer[] = [];
  other: LinkEnd | undefined;
  #waiting: Buffer[] = [];

  readonly #mangle: Mangle;
  constructor(mangle: Mangle) {
    this.#mangle = mangle;
  }

  readonly send = (data: Buffer): Promise<void> => {
    this.sent.push(Buffer.from(data));
    this.#waiting.push(Buffer.from(data));
    if (this.#waiting.length === 1) setImmediate(() => this.#deliver());
    return Promise.resolve();
  };

  readonly close = (): Promise<void> => {
    this.closed = true;
    return Promise.resolve();
  };

  receive(datagram: Buffer): void {
    this.onData(datagram, ['127.0.0.1', 2]);
  }

  #deliver(): void {
    for (const datagram of this.#mangle(this.#waiting.splice(0))) this.other?.receive(datagram);
  }
}

let certificates: [Certificate, Certificate];
let ends: DtlsSocket[];
let links: [LinkEnd, LinkEnd];
let server: DtlsServer;
let client: DtlsClient;
const data: { server: string[]; client: string[] } = { server: [], client: [] };

beforeAll(async () => {
  const make = (): Promise<Certificate> =>
    CipherContext.createSelfSignedCertificateWithKey(
      { signature: SignatureAlgorithm.ecdsa_3, hash: HashAlgorithm.sha256_4 },
      NamedCurveAlgorithm.secp256r1_23,
    );
  certificates = [await make(), await make()];
});

beforeEach(() => {
  ends = [];
  data.server = [];
  data.client = [];
});

afterEach(() => {
  // Ends what they would retransmit.
  for (const { dtls } of ends) dtls.flight = 99;
});

/** @param keys - of the certificates, whose own ones by default */
function open(mangle: Mangle = (datagrams) => datagrams, keys = [0, 1], clock = systemClock): void {
  links = [new LinkEnd(mangle), new LinkEnd(mangle)];
  links[0].other = links[1];
  links[1].other = links[0];
  const options = (index: 0 | 1) => ({
    transport: links[index],
    cert: certificates[index].certPem,
    key: certificates[keys[index] === 0 ? 0 : 1].keyPem,
    signatureHash: certificates[index].signatureHash,
    srtpProfiles: [ProtectionProfileAeadAes128Gcm],
    extendedMasterSecret: true,
  });
  server = new DtlsServer({ ...options(0), certificateRequest: true });
  client = new DtlsClient(options(1));
  ends = [server, client];
  fitDtls(server, 'server', clock);
  fitDtls(client, 'client', clock);
  server.onData.subscribe((bytes) => void data.server.push(bytes.toString()));
  client.onData.subscribe((bytes) => void data.client.push(bytes.toString()));
  client.connect().catch(() => undefined);
}

async function expectConnected(): Promise<void> {
  await until(() => expect([server.connected, client.connected]).toEqual([true, true]));
  await expectAlive();
}

async function expectAlive(): Promise<void> {
  const number = data.server.length;
  await server.send(Buffer.from(`to the client ${number}`));
  await client.send(Buffer.from(`to the server ${number}`));
  await until(() => {
    expect(data.client).toContain(`to the client ${number}`);
    expect(data.server).toContain(`to the server ${number}`);
  });
}

/** Lets everything happen that needs no timer. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
}

function record(type: number, epoch: number, content: Buffer): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.set([type, 254, 253]);
  header.writeUInt16BE(epoch, 3);
  header.writeUIntBE(1_000_000, 5, 6);
  header.writeUInt16BE(content.length, 11);
  return Buffer.concat([header, content]);
}

/** The records of a datagram, those of the handshake that are not encrypted in fragments of so many bytes. */
function refragmented(datagram: Buffer, bytes: number): Buffer[] {
  const records: Buffer[] = [];
  for (let start = 0; start < datagram.length;) {
    const end = start + HEADER_BYTES + datagram.readUInt16BE(start + 11);
    const one = datagram.subarray(start, end);
    start = end;
    const message = one.subarray(HEADER_BYTES + HANDSHAKE_HEADER_BYTES);
    if (one[0] !== HANDSHAKE || one.readUInt16BE(3) !== 0 || message.length <= bytes) {
      records.push(one);
      continue;
    }
    for (let offset = 0; offset < message.length; offset += bytes) {
      const part = message.subarray(offset, offset + bytes);
      const header = Buffer.from(one.subarray(HEADER_BYTES, HEADER_BYTES + HANDSHAKE_HEADER_BYTES));
      header.writeUIntBE(offset, 6, 3);
      header.writeUIntBE(part.length, 9, 3);
      records.push(record(HANDSHAKE, 0, Buffer.concat([header, part])));
    }
  }
  return records;
}

/** Of a client, or a server's answer to it (RFC 6347 section 4.2.1). */
function recordsIn(datagram: Buffer): Buffer[] {
  const records: Buffer[] = [];
  for (let at = 0; at < datagram.length;) {
    const end = at + HEADER_BYTES + datagram.readUInt16BE(at + 11);
    records.push(datagram.subarray(at, end));
    at = end;
  }
  return records;
}

const isEncrypted = (one: Buffer): boolean => one.readUInt16BE(3) > 0;

function isHello(datagram: Buffer): boolean {
  return datagram[0] === HANDSHAKE && (datagram[HEADER_BYTES] === 1 || datagram[HEADER_BYTES] === 3);
}

function shuffle(random: () => number): Mangle {
  return (datagrams) =>
    datagrams
      .map((datagram) => ({ datagram, at: random() }))
      .sort((a, b) => a.at - b.at)
      .map(({ datagram }) => datagram);
}

describe(`a handshake of werift, seed ${SEED}`, () => {
  const random = seededRandom(SEED);
  const repeat: Mangle = (datagrams) => datagrams.flatMap((one) => Array<Buffer>(5).fill(one));
  const fragment: Mangle = (datagrams) => datagrams.flatMap((one) => refragmented(one, 50));

  it.each<[name: string, mangle: Mangle]>([
    ['as they are sent', (datagrams) => datagrams],
    ['five times each', repeat],
    ['in any order', shuffle(random)],
    ['in fragments', fragment],
    ['in fragments, five times each', (datagrams) => repeat(fragment(datagrams))],
    ['five times each, in any order', (datagrams) => shuffle(random)(repeat(datagrams))],
  ])('ends with the same keys if its datagrams arrive %s', async (_name, mangle) => {
    open(mangle);
    await expectConnected();
  });

  it('ends though each flight is lost at first', async () => {
    const seen = new Set<number>();
    open((datagrams) =>
      datagrams.filter((one) => {
        if (isHello(one) || one[0] === APPLICATION_DATA) return true;
        // A flight that is repeated is the same bytes.
        const key = one.readUInt32BE(one.length - 4);
        const isNew = !seen.has(key);
        seen.add(key);
        return !isNew;
      }),
    );
    await expectConnected();
  });

  it('is answered once more, if all of it is repeated at once', async () => {
    open(undefined, undefined, { ...systemClock, nowUs: () => 1 });
    await expectConnected();
    const answers = links[0].sent.length;
    for (const datagram of links[1].sent) {
      for (let time = 0; time < 1000; time++) links[0].receive(datagram);
    }
    await settle();
    // A change of the cipher and the last message.
    expect(links[0].sent.length - answers).toBe(2);
    await expectAlive();
  });

  it.each([
    ['client', [0, 0]],
    ['server', [1, 1]],
  ])('does not connect to a %s without the key of its certificate', async (_name, keys) => {
    open(undefined, keys);
    const [own, other] = keys[0] === 0 ? [server, client] : [client, server];
    await until(() => expect(other.dtls.flight).toBeGreaterThanOrEqual(4));
    await until(() => expect(links[own === server ? 1 : 0].sent.length).toBeGreaterThanOrEqual(5));
    await settle();
    expect(own.connected).toBe(false);
    expect(own.dtls.flight).toBeLessThan(5);
  });

  it('uses no number of an encrypted record twice', async () => {
    open();
    await expectConnected();
    for (let count = 0; count < 20; count++) {
      await server.send(Buffer.from('data'));
      await client.send(Buffer.from('data'));
    }
    for (const { sent } of links) {
      const byNumber = new Map<string, string>();
      for (const one of sent.flatMap(recordsIn)) {
        const number = one.subarray(3, 11).toString('hex');
        if (one.readUInt16BE(3) === 0) continue;
        // The same bytes may come again.
        expect(byNumber.get(number) ?? one.toString('hex')).toBe(one.toString('hex'));
        byNumber.set(number, one.toString('hex'));
      }
      expect(byNumber.size).toBeGreaterThan(20);
    }
  });

  it('takes no data before it knows its peer', async () => {
    // Data in place of the proof that the client has the key of its certificate, and of all that follows it.
    open((datagrams) =>
      datagrams.flatMap((datagram) => (recordsIn(datagram).some(isEncrypted) ? [] : [datagram])),
    );
    await until(() => expect(server.cipher.cipher).toBeDefined());
    const packet = {
      recordLayerHeader: {
        contentType: APPLICATION_DATA,
        protocolVersion: { major: 254, minor: 253 },
        ...{ epoch: 1, sequenceNumber: 1_000_000, contentLen: 5 },
      },
      fragment: Buffer.from('early'),
    };
    await until(() => expect(client.cipher.cipher).toBeDefined());
    client.cipher.encryptPacket(packet as unknown as Parameters<typeof client.cipher.encryptPacket>[0]);
    links[0].receive(record(APPLICATION_DATA, 1, packet.fragment));
    await settle();
    expect(server.connected).toBe(false);
    expect(data.server).not.toContain('early');
  });

  it('does not connect to a client that finishes another handshake', async () => {
    let changed = 0;
    open();
    const encrypt = client.cipher.encryptPacket.bind(client.cipher);
    client.cipher.encryptPacket = (packet) => {
      const { fragment } = packet;
      // Its Finished, after the header.
      fragment.writeUInt8(fragment.readUInt8(HANDSHAKE_HEADER_BYTES) ^ 1, HANDSHAKE_HEADER_BYTES);
      changed += 1;
      return encrypt(packet);
    };
    await until(() => expect(changed).toBeGreaterThan(0));
    await settle();
    expect(server.connected).toBe(false);
  });

  it('is not begun with an end that is not as it is known', () => {
    open();
    Object.defineProperty(server.dtls, 'sortedHandshakeCache', { value: undefined });
    expect(() => fitDtls(server, 'server', systemClock)).toThrow('another version of werift');
  });

  it('keeps little of fragments that never make a message', async () => {
    open();
    const before = await resourcesInUse();
    const { arrayBuffers } = process.memoryUsage();
    for (let number = 0; number < 50_000; number++) {
      const message = Buffer.alloc(HANDSHAKE_HEADER_BYTES + 1100);
      message.writeUInt8(11, 0);
      message.writeUIntBE(16_000, 1, 3);
      message.writeUInt16BE(number % 7 === 0 ? number : 2, 4);
      message.writeUIntBE(1 + (number % 14_000), 6, 3);
      message.writeUIntBE(1100, 9, 3);
      links[0].receive(record(HANDSHAKE, 0, message));
    }
    // Buffers are freed a while after the collection.
    await until(async () => {
      const { heapBytes } = await resourcesInUse();
      expect(heapBytes - before.heapBytes).toBeLessThan(4 * MIB);
      expect(process.memoryUsage().arrayBuffers - arrayBuffers).toBeLessThan(4 * MIB);
    }, 100);
    await expectConnected();
  });
});

describe('a connection of werift', () => {
  let closed: number;

  beforeEach(async () => {
    open();
    await expectConnected();
    closed = 0;
    server.onClose.subscribe(() => void (closed += 1));
  });

  it('is not ended, nor anything thrown, by records that its peer has not sent', async () => {
    const random = seededRandom(SEED);
    const noise = (bytes: number): Buffer =>
      Buffer.from(Array.from({ length: bytes }, () => Math.floor(random() * 256)));
    for (const alert of [
      [1, 0],
      [2, 0],
      [2, 40],
    ]) {
      for (const epoch of [0, 1, 2]) links[0].receive(record(ALERT, epoch, Buffer.from(alert)));
    }
    for (let type = 20; type < 64; type++) {
      for (const bytes of [0, 1, 2, 12, 40]) {
        for (const epoch of [0, 1]) links[0].receive(record(type, epoch, noise(bytes)));
      }
      // Half a header; a header alone that announces more.
      links[0].receive(Buffer.from([type, 254, 253, 0]));
      links[0].receive(record(type, 1, noise(100)).subarray(0, 50));
    }
    for (const datagram of links[1].sent) links[0].receive(datagram);
    expect(closed).toBe(0);
    await expectAlive();
  });

  it('is ended by an alert that its peer has encrypted', () => {
    const packet = {
      recordLayerHeader: {
        contentType: ALERT,
        protocolVersion: { major: 254, minor: 253 },
        epoch: 1,
        sequenceNumber: 1_000_000,
        contentLen: 2,
      },
      fragment: Buffer.from([1, 0]),
    };
    client.cipher.encryptPacket(packet as unknown as Parameters<typeof client.cipher.encryptPacket>[0]);
    links[0].receive(record(ALERT, 1, packet.fragment));
    expect(closed).toBe(1);
  });
});
