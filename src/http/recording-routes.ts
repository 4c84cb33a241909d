import { StreamKitError } from '../base/errors.js';
import { parseRecordingRequest } from '../session/session-recordings.js';
import type { SessionRecordings } from '../session/session-recordings.js';
import { fileResponse } from './file-response.js';
import { emptyResponse, jsonResponse } from './http-message.js';
import { readOptionalJson } from './json-body.js';
import type { HandlersOf } from './route-handler.js';
import { parsePartQuery } from './session-query.js';

/** The routes of recordings. A recording and its files outlive the session. */
export function recordingRoutes(
  recordings: SessionRecordings,
): HandlersOf<
  | 'listRecordings'
  | 'startRecording'
  | 'readRecording'
  | 'stopRecording'
  | 'readRecordingFile'
  | 'deleteRecordingFile'
> {
  return {
    listRecordings: ({ streamId }) => jsonResponse(200, { recordings: recordings.list(streamId) }),
    startRecording: async ({ request, streamId }) => {
      const info = await recordings.start(streamId, parseRecordingRequest(await readOptionalJson(request)));
      const location = `${request.prefix}/${streamId}/recordings/${info.recordingId}`;
      return jsonResponse(201, info, { Location: location });
    },
    readRecording: ({ streamId, segments }) =>
      jsonResponse(200, recordings.get(streamId, segments.recordingId ?? '')),
    stopRecording: async ({ streamId, segments }) =>
      jsonResponse(200, await recordings.stop(streamId, segments.recordingId ?? '')),
    readRecordingFile: async ({ request, streamId, segments }) => {
      const recordingId = segments.recordingId ?? '';
      const part = parsePartQuery(request.query);
      const { format } = recordings.get(streamId, recordingId);
      const path = recordings.pathOf(streamId, recordingId, part);
      const gone = (cause: Error): StreamKitError =>
        new StreamKitError('no_such_recording', 'The file of the recording is gone', { cause });
      return fileResponse(path, request.headers.range, gone, {
        'Content-Type': `video/${format}`,
        // Both are the server's own ids: nothing in them needs to be quoted.
        'Content-Disposition': `inline; filename="${recordingId}-${part}.${format}"`,
      });
    },
    deleteRecordingFile: async ({ streamId, segments }) => {
      await recordings.remove(streamId, segments.recordingId ?? '');
      return emptyResponse(204);
    },
  };
}
