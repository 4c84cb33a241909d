/** werift's settings for a peer that is reached on the loopback address alone. */
export const LOOPBACK_ICE = {
  iceServers: [],
  iceUseIpv4: false,
  iceUseIpv6: false,
  iceAdditionalHostAddresses: ['127.0.0.1'],
  iceInterfaceAddresses: { udp4: '127.0.0.1' },
};
