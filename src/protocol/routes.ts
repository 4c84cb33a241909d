// Over 500 lines: every route of the server stands here, and the order of them counts.

import type { RouteDefinition } from './route-definition.js';

export const SDP_TYPE = 'application/sdp';
export const SDP_FRAGMENT_TYPE = 'application/trickle-ice-sdpfrag';
/** What a page of another origin could not read otherwise. */
export const EXPOSED_HEADERS = { 'Access-Control-Expose-Headers': 'Location, ETag, Link' } as const;

/** A page of another kind than the route is for, or a session that has ended. */
const NO_PAGE = ['no_such_session', 'conflict'] as const;
/** Of several servers, none answers. */
const NO_NODE = [
  'unavailable',
  { code: 'unavailable', status: 502 },
  { code: 'unavailable', status: 504 },
] as const;
/** As {@link NO_PAGE}, and before the page is captured. */
const NO_PICTURE = [...NO_PAGE, 'unavailable'] as const;
/** With `profile`: there is none to begin with, or it cannot be stored. */
const NO_PROFILE = ['no_such_profile', 'profile_in_use', 'profile_failed', 'limit_reached'] as const;
const NO_PLAYER = [...NO_PAGE, 'no_such_viewer'] as const;
/** The session, the server or the caller has as many viewers as it may. */
const FULL = { code: 'at_capacity', status: 503 } as const;
const LOCATION = { Location: 'Where it is now.' } as const;
const LINKS = { Link: 'The STUN and TURN servers, one link with `rel="ice-server"` per URL.' } as const;
const ENTITY_TAG = { ETag: 'Names the ICE session.' } as const;

/** What a viewer wants of its stream. */
const STREAM_WISHES = {
  viewerId: { about: 'The secret id of a viewer that comes back.', type: 'text' },
  videoCodec: { about: 'The codec of the pictures.', type: 'choice', among: ['h264', 'vp8'] },
  media: { about: '`none`: the state and the signals alone.', type: 'choice', among: ['none'] },
  maxHeight: { about: 'Most lines of the picture, pixels.', type: 'integer', least: 1, most: 4320 },
  maxBitrateBps: { about: 'Most that is sent, bits/s.', type: 'integer', least: 1, most: 999_999_999 },
} as const;

/**
 * Every route of the server, by name. The router serves exactly these, checks the right of each before its handler runs,
 * and takes the scopes of stream tokens from here. The OpenAPI document is generated from it and from `RouteBodies`.
 */
export const ROUTES = {
  listSessions: {
    method: 'GET',
    path: '/',
    right: 'watch',
    scope: null,
    summary: 'Lists the sessions that the caller owns; for an operator all.',
    errors: [],
  },
  createSession: {
    method: 'POST',
    path: '/',
    right: 'create',
    scope: null,
    summary:
      'Creates a session and begins to launch it. With `Accept: text/event-stream` the answer is its event stream.',
    errors: [
      'no_such_session',
      'bad_target_url',
      'conflict',
      'unprocessable',
      ...NO_PROFILE,
      ...NO_NODE,
      FULL,
    ],
    query: STREAM_WISHES,
    requestHeaders: {
      Accept: '`text/event-stream` for the event stream.',
      'Idempotency-Key':
        'A request of the same caller with the same key, 1 to 256 characters, creates no second session within 10 minutes.',
    },
    answerHeaders: LOCATION,
  },
  listProfiles: {
    method: 'GET',
    path: '/profiles',
    right: 'create',
    scope: null,
    summary: "Lists the caller's own profiles, by id.",
    errors: [],
    option: 'profileDirectory',
  },
  deleteProfile: {
    method: 'DELETE',
    path: '/profiles/:profileId',
    right: 'create',
    scope: null,
    summary: "Deletes one of the caller's own profiles. Sessions that began with it go on.",
    errors: ['no_such_profile', 'profile_in_use', 'profile_failed'],
    option: 'profileDirectory',
  },
  readStorageState: {
    method: 'GET',
    path: '/profiles/:profileId/storage-state',
    right: 'create',
    scope: null,
    summary: "Cookies and local storage of one of the caller's own profiles, as Playwright's `storageState`.",
    errors: ['no_such_profile', 'profile_failed'],
    option: 'profileDirectory',
  },
  writeStorageState: {
    method: 'PUT',
    path: '/profiles/:profileId/storage-state',
    right: 'create',
    scope: null,
    summary: 'Stores a profile of nothing but these cookies and this local storage.',
    errors: ['profile_in_use', 'profile_failed', 'limit_reached', 'disk_full'],
    option: 'profileDirectory',
  },
  readState: {
    method: 'GET',
    path: '/:streamId',
    right: 'watch',
    scope: 'state',
    summary: 'The state document.',
    errors: ['no_such_session', 'at_capacity', FULL],
  },
  reconfigureSession: {
    method: 'PATCH',
    path: '/:streamId',
    right: 'own',
    scope: null,
    summary: 'Changes size, frame rate or bit rate, and answers the values in force.',
    errors: NO_PICTURE,
  },
  endSession: {
    method: 'DELETE',
    path: '/:streamId',
    right: 'own',
    scope: null,
    summary: 'Ends the session; every process and file of it is gone when this is answered.',
    errors: ['no_such_session'],
    requestHeaders: {
      Prefer: '`return=representation` (RFC 7240): 200 with what a page session has used, instead of 204.',
    },
    answerHeaders: { 'Preference-Applied': 'With 200.' },
  },
  restartSession: {
    method: 'POST',
    path: '/:streamId/restart',
    right: 'own',
    scope: null,
    summary: 'Starts the browser again and loads the page anew; viewers stay connected.',
    errors: NO_PICTURE,
    option: 'restart',
  },
  readDiagnostics: {
    method: 'GET',
    path: '/:streamId/diagnostics',
    right: 'watch',
    scope: 'state',
    summary: 'What encoders, viewers and the paths to them do at this moment.',
    errors: NO_PAGE,
  },
  openEventStream: {
    method: 'GET',
    path: '/:streamId/sse',
    right: 'watch',
    scope: 'sse',
    summary: 'Opens an event stream: patches of the state document, and signals.',
    errors: ['no_such_session', 'no_such_viewer', 'conflict', 'unavailable', FULL],
    query: STREAM_WISHES,
    requestHeaders: { 'Last-Event-ID': 'The last patch that the client has got.' },
  },
  sendSignal: {
    method: 'POST',
    path: '/:streamId/signal',
    right: 'watch',
    scope: 'signal',
    summary: 'Sends a signal of a viewer.',
    errors: [...NO_PLAYER, 'unprocessable', 'unavailable'],
  },
  openStream: {
    method: 'GET',
    path: '/:streamId/stream',
    right: 'watch',
    scope: 'stream',
    summary: 'Opens a WebSocket with what is encoded, or with the output of a terminal.',
    errors: ['bad_request', 'upgrade_required', 'no_such_session', 'no_such_viewer', 'conflict', FULL],
    query: { viewerId: STREAM_WISHES.viewerId },
  },
  openDebugger: {
    method: 'GET',
    path: '/:streamId/cdp',
    right: 'own',
    scope: 'cdp',
    summary: 'Opens a WebSocket with the Chrome DevTools Protocol of the page.',
    errors: ['bad_request', 'upgrade_required', ...NO_PICTURE],
    option: 'cdp',
  },
  readView: {
    method: 'GET',
    path: '/:streamId/view',
    right: 'watch',
    scope: 'sse',
    summary: 'A page that shows the session, for an iframe.',
    errors: [...NO_PAGE, 'bad_request'],
    query: {
      seat: {
        about: "The place of the page's gamepads that the viewer's gets.",
        type: 'integer',
        least: 1,
        most: 4,
      },
    },
  },
  readViewFile: {
    method: 'GET',
    path: '/view/:file',
    right: 'none',
    scope: null,
    summary:
      'A script of the page that shows a session: `stream-view.js` defines the element `<stream-view>`.',
    errors: ['not_found'],
  },
  takeSnapshot: {
    method: 'GET',
    path: '/:streamId/snapshot',
    right: 'watch',
    scope: 'snapshot',
    summary: 'The picture as it is now.',
    errors: [...NO_PICTURE],
    query: {
      format: { about: 'Default `png`.', type: 'choice', among: ['png', 'jpeg'] },
      width: { about: 'Pixels. Default: that of the session.', type: 'integer', least: 16, most: 3840 },
    },
  },
  probePlayers: {
    method: 'GET',
    path: '/:streamId/whep',
    right: 'watch',
    scope: 'whep',
    summary: 'Says that players may be created.',
    errors: NO_PAGE,
  },
  createPlayer: {
    method: 'POST',
    path: '/:streamId/whep',
    right: 'watch',
    scope: 'whep',
    summary: 'Creates a player: WHEP. It makes the offer.',
    errors: [...NO_PAGE, 'unprocessable', FULL],
    answerHeaders: { ...LOCATION, ...ENTITY_TAG, ...LINKS },
    optionsHeaders: { 'Accept-Post': SDP_TYPE, ...EXPOSED_HEADERS },
  },
  probePlayer: {
    method: 'GET',
    path: '/:streamId/whep/:playerId',
    right: 'watch',
    scope: 'whep',
    summary: 'Says that there is such a player.',
    errors: NO_PLAYER,
  },
  patchPlayer: {
    method: 'PATCH',
    path: '/:streamId/whep/:playerId',
    right: 'watch',
    scope: 'whep',
    summary: 'Adds candidates, or restarts ICE with `If-Match: *`.',
    errors: [...NO_PLAYER, 'precondition_failed', 'precondition_required', 'unprocessable'],
    requestHeaders: { 'If-Match': 'The ICE session that is meant; `*` to restart ICE.' },
    answerHeaders: { ...ENTITY_TAG, ...LINKS },
    optionsHeaders: { 'Accept-Patch': SDP_FRAGMENT_TYPE, ...EXPOSED_HEADERS },
  },
  endPlayer: {
    method: 'DELETE',
    path: '/:streamId/whep/:playerId',
    right: 'watch',
    scope: 'whep',
    summary: 'Ends a player.',
    errors: NO_PLAYER,
  },
  readPlaylist: {
    method: 'GET',
    path: '/:streamId/hls/index.m3u8',
    right: 'watch',
    scope: 'hls',
    summary: 'The live playlist.',
    errors: NO_PICTURE,
    option: 'hls',
  },
  readPlaylistFile: {
    method: 'GET',
    path: '/:streamId/hls/:file',
    right: 'watch',
    scope: 'hls',
    summary: 'A segment of the playlist.',
    errors: NO_PAGE,
    option: 'hls',
  },
  listRecordings: {
    method: 'GET',
    path: '/:streamId/recordings',
    right: 'watch',
    scope: 'recordings',
    summary: 'Lists the recordings of a session, oldest first, also of one that is gone.',
    errors: NO_PAGE,
    option: 'recording',
  },
  startRecording: {
    method: 'POST',
    path: '/:streamId/recordings',
    right: 'own',
    scope: null,
    summary: 'Begins to record, from the next keyframe on.',
    errors: [...NO_PICTURE, FULL, 'recording_failed'],
    option: 'recording',
    answerHeaders: LOCATION,
  },
  readRecording: {
    method: 'GET',
    path: '/:streamId/recordings/:recordingId',
    right: 'watch',
    scope: 'recordings',
    summary: 'What is known of a recording.',
    errors: ['no_such_recording'],
    option: 'recording',
  },
  stopRecording: {
    method: 'DELETE',
    path: '/:streamId/recordings/:recordingId',
    right: 'own',
    scope: null,
    summary: 'Ends a recording, and answers when its files are whole.',
    errors: ['no_such_recording'],
    option: 'recording',
  },
  readRecordingFile: {
    method: 'GET',
    path: '/:streamId/recordings/:recordingId/file',
    right: 'watch',
    scope: 'recordings',
    summary: 'A file of a recording that has ended, or a range of it.',
    errors: ['bad_request', 'no_such_recording', 'conflict', { code: 'bad_request', status: 416 }],
    option: 'recording',
    query: {
      part: { about: 'Number of the file, from 1 on. Default 1.', type: 'integer', least: 1, most: 999_999 },
    },
    requestHeaders: { Range: 'One range of bytes.' },
    answerHeaders: { 'Content-Range': 'The range, with 206.' },
  },
  deleteRecordingFile: {
    method: 'DELETE',
    path: '/:streamId/recordings/:recordingId/file',
    right: 'own',
    scope: null,
    summary: 'Deletes a recording that has ended, with its files.',
    errors: ['no_such_recording', 'conflict', 'recording_failed'],
    option: 'recording',
  },
  listDownloads: {
    method: 'GET',
    path: '/:streamId/downloads',
    right: 'control',
    scope: 'files',
    summary: 'Lists what the page has downloaded and is still kept, oldest first.',
    errors: NO_PAGE,
  },
  uploadFile: {
    method: 'POST',
    path: '/:streamId/files',
    right: 'own',
    scope: 'files',
    summary:
      'Takes one file, as the body or in a multipart body, for the answer to a file chooser of the page.',
    errors: [...NO_PAGE, 'disk_full'],
    query: {
      name: {
        about: 'Name of the file, which the page sees. Default: that of a multipart body.',
        type: 'text',
      },
    },
  },
  readDownload: {
    method: 'GET',
    path: '/:streamId/downloads/:fileId',
    right: 'control',
    scope: 'files',
    summary: 'A file that the page has downloaded, or a range of it; always as an attachment.',
    errors: [...NO_PAGE, 'no_such_file', { code: 'bad_request', status: 416 }],
    requestHeaders: { Range: 'One range of bytes.' },
    answerHeaders: { 'Content-Disposition': 'Its name.', 'Content-Range': 'The range, with 206.' },
  },
  createWebSession: {
    method: 'POST',
    path: '/session',
    right: 'create',
    scope: null,
    summary: 'Creates a session for a client of stream-kit-web.',
    errors: ['bad_target_url', FULL],
    option: 'streamKitWeb',
  },
  updateWebSession: {
    method: 'PATCH',
    path: '/session/:streamId',
    right: 'own',
    scope: null,
    summary: 'Changes the render options or the state of the page.',
    errors: [...NO_PICTURE, 'unprocessable'],
    option: 'streamKitWeb',
  },
  endWebSession: {
    method: 'DELETE',
    path: '/session/:streamId',
    right: 'own',
    scope: null,
    summary: 'Ends the session, and answers what it has used.',
    errors: NO_PAGE,
    option: 'streamKitWeb',
  },
  sendWebInput: {
    method: 'POST',
    path: '/session/:streamId/input',
    right: 'control',
    scope: null,
    summary: 'Sends the page an event as a message.',
    errors: [...NO_PICTURE, 'unprocessable'],
    option: 'streamKitWeb',
  },
  openWebSignaling: {
    method: 'GET',
    path: '/session/:streamId/signaling',
    right: 'watch',
    scope: 'signal',
    summary: 'Opens a WebSocket with the signaling of stream-kit-web; each is a viewer.',
    errors: ['bad_request', 'upgrade_required', ...NO_PAGE, 'unavailable', FULL],
    query: { ticket: { about: 'The secret in the `signalingUrl`.', type: 'text' } },
    option: 'streamKitWeb',
  },
  readMetrics: {
    method: 'GET',
    path: '/metrics',
    right: 'operate',
    scope: null,
    summary: 'The metrics, in the text format of Prometheus.',
    errors: [],
    configurable: true,
    option: 'metrics',
  },
  drain: {
    method: 'POST',
    path: '/admin/drain',
    right: 'operate',
    scope: null,
    summary: 'Takes no new sessions from now on; those that there are go on.',
    errors: [],
  },
  readHealth: {
    method: 'GET',
    path: '/healthz',
    right: 'none',
    scope: null,
    summary: '200 while the server lives.',
    errors: [],
    configurable: true,
    option: 'health',
  },
  readReadiness: {
    method: 'GET',
    path: '/healthz/ready',
    right: 'none',
    scope: null,
    summary: '200 while the server could take another session.',
    errors: [],
    configurable: true,
    option: 'health',
  },
  readOpenApi: {
    method: 'GET',
    path: '/openapi.json',
    right: 'none',
    scope: null,
    summary: 'This document, with the routes that this server has.',
    errors: [],
    configurable: true,
    option: 'openApi',
  },
} as const satisfies Record<string, RouteDefinition>;

export type RouteName = keyof typeof ROUTES;
/** Those whose path an option sets. */
export type ConfigurableRoute = {
  [Name in RouteName]: (typeof ROUTES)[Name] extends { configurable: true } ? Name : never;
}[RouteName];
