import type { Dtls } from './werift-dtls.js';

/** RFC 6347 section 4.1: type, version, epoch, sequence number, length. */
const HEADER_BYTES = 13;
const CONTENT = { changeCipherSpec: 20, alert: 21, handshake: 22, applicationData: 23 } as const;
const KNOWN_CONTENT: ReadonlySet<number> = new Set(Object.values(CONTENT));

type Packet = Parameters<Dtls['cipher']['decryptPacket']>[0];

/**
 * Hands werift only records that can be the peer's. By itself (0.24.4) it takes a record of any unknown kind, or an alert that
 * nobody has encrypted, for the peer's end of the connection, and throws at half a record.
 */
export function admitRecords(dtls: Dtls): void {
  const { socket } = dtls.transport;
  const read = socket.onData.bind(socket);
  socket.onData = (datagram, address) => {
    const records = recordsOf(datagram).filter((record) => isAdmitted(dtls, record));
    if (records.length > 0) read(Buffer.concat(records), address);
  };
}

function recordsOf(datagram: Buffer): Buffer[] {
  const records: Buffer[] = [];
  let start = 0;
  while (start + HEADER_BYTES <= datagram.length) {
    const end = start + HEADER_BYTES + datagram.readUInt16BE(start + 11);
    if (end > datagram.length) break;
    records.push(datagram.subarray(start, end));
    start = end;
  }
  return records;
}

function isAdmitted(dtls: Dtls, record: Buffer): boolean {
  const type = record.readUInt8(0);
  if (!KNOWN_CONTENT.has(type)) return false;
  // Nothing is encrypted before, and everything after. werift has the keys for data before it knows whom it has them with.
  if (!dtls.connected) return type !== CONTENT.applicationData;
  if (record.readUInt16BE(3) === 0) return false;
  if (type !== CONTENT.alert) return true;
  // werift would look at its first bytes before it decrypts it, if at all.
  if (isAuthentic(dtls, record)) dtls.onClose.execute();
  return false;
}

function isAuthentic(dtls: Dtls, record: Buffer): boolean {
  const packet = {
    recordLayerHeader: {
      contentType: record.readUInt8(0),
      protocolVersion: { major: record.readUInt8(1), minor: record.readUInt8(2) },
      epoch: record.readUInt16BE(3),
      sequenceNumber: record.readUIntBE(5, 6),
      contentLen: record.readUInt16BE(11),
    },
    fragment: record.subarray(HEADER_BYTES),
  };
  try {
    dtls.cipher.decryptPacket(packet as Packet);
    return true;
  } catch {
    return false;
  }
}
