import type { SessionPlaylists } from '../session/session-playlists.js';
import { emptyResponse } from './http-message.js';
import type { HandlersOf } from './route-handler.js';

const PLAYLIST_TYPE = 'application/vnd.apple.mpegurl';

/** The routes of live playlists and their segments. */
export function playlistRoutes(playlists: SessionPlaylists): HandlersOf<'readPlaylist' | 'readPlaylistFile'> {
  return {
    readPlaylist: async ({ streamId }) => ({
      ...emptyResponse(200, { 'Content-Type': PLAYLIST_TYPE, 'X-Content-Type-Options': 'nosniff' }),
      body: await playlists.playlist(streamId),
    }),
    readPlaylistFile: ({ streamId, segments }) => ({
      ...emptyResponse(200, { 'Content-Type': 'video/mp4', 'X-Content-Type-Options': 'nosniff' }),
      body: playlists.file(streamId, segments.file ?? ''),
    }),
  };
}
