/** A STUN or TURN server that gave no candidate. */
export interface IceServerFailure {
  readonly url: string;
  /** Of STUN and TURN (RFC 8489 section 14.8, RFC 8656 section 19); 701: it could not be reached. */
  readonly errorCode: number;
  readonly errorText: string;
}

/** How the media connection stands. */
export interface PeerReport {
  readonly connectionState: RTCPeerConnectionState;
  readonly iceState: RTCIceConnectionState;
  /** Time in that state. */
  readonly iceStateMs: number;
  readonly ageMs: number;
  readonly everConnected: boolean;
  /** Signalling has brought a candidate. */
  readonly serverNamed: boolean;
  /** URLs of the TURN servers that the server has named. */
  readonly relayServers: readonly string[];
  readonly serverFailures: readonly IceServerFailure[];
}
