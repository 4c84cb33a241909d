{
  # The load generator of `npm run bench -- fanout`: no part of the product. Linux only.
  'targets': [
    {
      'target_name': 'bench',
      'sources': [
        'addon.cc',
        'clock.cc',
        'dtls_client.cc',
        'ice_client.cc',
        'load_generator.cc',
        'raw_limit.cc',
        'raw_sender.cc',
        'reception_log.cc',
        'rtcp_reporter.cc',
        'srtp_receiver.cc',
        'stun_message.cc',
        'viewer.cc',
        'viewer_socket.cc',
      ],
      'cflags_cc!': ['-fno-exceptions', '-fno-rtti', '-std=gnu++17', '-std=gnu++20'],
      'cflags_cc': ['-std=c++17', '-O2', '-Wall', '-Wextra', '-fexceptions'],
    },
  ],
}
