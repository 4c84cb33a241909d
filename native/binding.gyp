# Builds native/build/Release/media_plane.node:
#   node-gyp rebuild -C native
# with npm's own node-gyp where none is installed:
#   node "$(dirname "$(npm root -g)")/node_modules/npm/node_modules/node-gyp/bin/node-gyp.js" rebuild -C native
# It needs Python 3, make, a C++20 compiler (g++ 11, clang 14) and Node's headers: `--nodedir=/usr` where the
# distribution has put them there, else node-gyp fetches them. OpenSSL is Node's own, so nothing is linked to.
{
  'targets': [{
    'target_name': 'media_plane',
    'sources': [
      'addon.cc',
      'core/consent_keeper.cc',
      'core/consumer.cc',
      'core/endpoint.cc',
      'core/endpoint_registry.cc',
      'core/frame_history.cc',
      'core/hmac_sha1.cc',
      'core/media_core.cc',
      'core/media_time.cc',
      'core/media_transport.cc',
      'core/packet_batch.cc',
      'core/packet_writer.cc',
      'core/rtcp_builder.cc',
      'core/rtcp_parser.cc',
      'core/rtp_header.cc',
      'core/sequence_runs.cc',
      'core/socket_address.cc',
      'core/srtp_cipher.cc',
      'core/srtp_keys.cc',
      'core/srtcp_receiver.cc',
      'core/srtp_sender.cc',
      'core/stun_message.cc',
      'core/transport_feedback.cc',
      'io/io_thread.cc',
      'io/udp_socket.cc',
      'io/wakeup.cc',
      'node/endpoint_calls.cc',
      'node/event_values.cc',
      'node/media_calls.cc',
      'node/plane.cc',
      'node/plane_object.cc',
      'node/values.cc',
    ],
    'defines': ['NAPI_VERSION=8'],
    'cflags': ['-O2', '-Wall', '-Wextra', '-Wshadow', '-Wconversion', '-Wno-sign-conversion', '-Werror'],
    'cflags!': ['-O3'],
    'cflags_cc!': ['-std=gnu++17', '-std=gnu++14'],
    'cflags_cc': ['-std=gnu++20', '-fvisibility=hidden'],
    'xcode_settings': {
      'CLANG_CXX_LANGUAGE_STANDARD': 'gnu++20',
      'GCC_SYMBOLS_PRIVATE_EXTERN': 'YES',
      'GCC_TREAT_WARNINGS_AS_ERRORS': 'YES',
      'MACOSX_DEPLOYMENT_TARGET': '11.0',
      'WARNING_CFLAGS': ['-Wall', '-Wextra', '-Wshadow'],
    },
  }],
}
