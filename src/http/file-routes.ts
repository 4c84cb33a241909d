import { StreamKitError } from '../base/errors.js';
import type { SessionRegistry } from '../session/session-registry.js';
import { fileResponse } from './file-response.js';
import { type HttpRequest, jsonResponse } from './http-message.js';
import {
  type IncomingFile,
  MULTIPART_OVERHEAD_BYTES,
  multipartBoundary,
  multipartFile,
} from './multipart-file.js';
import type { HandlersOf } from './route-handler.js';

/** The routes of the files that viewers give to a page, and a page to viewers. */
export function fileRoutes(
  registry: SessionRegistry,
): HandlersOf<'listDownloads' | 'uploadFile' | 'readDownload'> {
  return {
    listDownloads: ({ streamId }) => jsonResponse(200, { files: registry.page(streamId).files.list() }),
    uploadFile: async ({ request, streamId }) => {
      const session = registry.page(streamId);
      session.touch();
      const { fileId } = await session.files.upload((maxBytes) => incomingFile(request, maxBytes));
      return jsonResponse(201, { fileId });
    },
    readDownload: ({ request, streamId, segments }) => {
      const session = registry.page(streamId);
      session.touch();
      const { path, name } = session.files.get(segments.fileId ?? '');
      const gone = (cause: Error): StreamKitError =>
        new StreamKitError('no_such_file', 'The file is gone', { cause });
      return fileResponse(path, request.headers.range, gone, {
        'Content-Type': 'application/octet-stream',
        'Content-Disposition': `attachment; ${dispositionName(name)}`,
        // Whatever a browser makes of it, it is no document of this origin.
        'Content-Security-Policy': "sandbox; default-src 'none'",
      });
    },
  };
}

/** The name in the URL, where there is one, counts before that of a multipart body. */
async function incomingFile(request: HttpRequest, maxBytes: number): Promise<IncomingFile> {
  const name = request.query.get('name') ?? undefined;
  const boundary = multipartBoundary(request.headers['content-type'] ?? '');
  if (boundary === undefined) return { name, chunks: request.readChunks(maxBytes) };
  const body = request.readChunks(maxBytes + MULTIPART_OVERHEAD_BYTES);
  const file = await multipartFile(body, boundary, maxBytes);
  return { ...file, name: name ?? file.name };
}

/** RFC 6266 section 4.3 and RFC 8187 section 3.2: a name of any characters, and one of ASCII for old clients. */
function dispositionName(name: string): string {
  const ascii = name.replace(/[^\x20-\x7e]|["\\%]/g, '_');
  const encoded = encodeURIComponent(name).replace(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `filename="${ascii}"; filename*=UTF-8''${encoded}`;
}
