import type { StreamKitProfiles } from '../session/stream-kit-profiles.js';
import { emptyResponse, jsonResponse } from './http-message.js';
import type { HandlersOf } from './route-handler.js';

/** The routes of a caller's own profiles. */
export function profileRoutes(
  profiles: StreamKitProfiles,
): HandlersOf<'listProfiles' | 'deleteProfile' | 'readStorageState' | 'writeStorageState'> {
  return {
    listProfiles: async ({ caller }) => jsonResponse(200, { profiles: await profiles.of(caller).list() }),
    deleteProfile: async ({ caller, segments }) => {
      await profiles.of(caller).delete(segments.profileId ?? '');
      return emptyResponse(204);
    },
    readStorageState: async ({ caller, segments }) =>
      jsonResponse(200, await profiles.of(caller).storageState(segments.profileId ?? '')),
    writeStorageState: async ({ request, caller, segments }) => {
      await profiles.of(caller).setStorageState(segments.profileId ?? '', await request.readJson());
      return emptyResponse(204);
    },
  };
}
