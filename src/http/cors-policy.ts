import type { ResolvedCorsOptions } from '../options/access-options.js';
import { asError } from '../base/errors.js';
import type { HttpRequest, HttpResponse } from './http-message.js';

type Headers = Readonly<Record<string, string>>;

/** Longest that an origin or a list of headers may be which is looked at, characters. */
const MAX_HEADER_CHARS = 1024;
/** What scripts of another origin could not read otherwise. */
const EXPOSED = 'Location, ETag, Link, Retry-After';
/** A list of names (RFC 9110 section 5.6): what is sent back of a client's header must not become another header. */
const NAMES = /^[\w!#$%&'*+.^`|~-]+(?: *, *[\w!#$%&'*+.^`|~-]+)*$/;

/** Which pages of other origins may read what the routes answer: the CORS protocol of the Fetch standard. */
export class CorsPolicy {
  readonly #options: ResolvedCorsOptions | undefined;
  readonly #onError: (error: Error) => void;

  /**
   * @param options - undefined: none may.
   * @param onError - the application's function has thrown.
   */
  constructor(options: ResolvedCorsOptions | undefined, onError: (error: Error) => void) {
    this.#options = options;
    this.#onError = onError;
  }

  /** Whether pages of an origin may use the routes. Everything but a clear yes is a no. Never rejects. */
  async permits(origin: string | undefined): Promise<boolean> {
    if (this.#options === undefined || origin === undefined || origin.length > MAX_HEADER_CHARS) return false;
    const { origins } = this.#options;
    if (origins === '*') return true;
    if (typeof origins !== 'function') return origins.includes(origin);
    try {
      // Its type says boolean, an application in JavaScript may say anything.
      const answer: unknown = await origins(origin);
      return answer === true;
    } catch (thrown) {
      this.#onError(asError(thrown));
      return false;
    }
  }

  /** The answer, with what a browser needs to hand it to a page of another origin, whatever its status. */
  async share(request: HttpRequest, response: HttpResponse): Promise<HttpResponse> {
    if (this.#options === undefined) return response;
    const permission = await this.#permission(request);
    const exposed: Headers = permission === undefined ? {} : { 'Access-Control-Expose-Headers': EXPOSED };
    return { ...response, headers: { ...response.headers, Vary: 'Origin', ...permission, ...exposed } };
  }

  /**
   * The answer to OPTIONS, with what a browser needs to let a page of another origin send its request. Any header is
   * permitted: which ones carry the credentials is the application's to say.
   */
  async sharePreflight(request: HttpRequest, response: HttpResponse, allow: string): Promise<HttpResponse> {
    if (this.#options === undefined) return response;
    const permission = await this.#permission(request);
    const headers: Record<string, string> = {
      ...response.headers,
      Vary: 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers',
      ...permission,
    };
    if (permission !== undefined) {
      headers['Access-Control-Allow-Methods'] = allow;
      headers['Access-Control-Max-Age'] = String(this.#options.maxAgeSeconds);
      const asked = request.headers['access-control-request-headers'];
      if (typeof asked === 'string' && asked.length <= MAX_HEADER_CHARS && NAMES.test(asked)) {
        headers['Access-Control-Allow-Headers'] = asked;
      }
    }
    return { ...response, headers };
  }

  /** Undefined: none. */
  async #permission({ headers: { origin } }: HttpRequest): Promise<Headers | undefined> {
    if (origin === undefined || !(await this.permits(origin))) return undefined;
    const credentials: Headers =
      this.#options?.credentials === true ? { 'Access-Control-Allow-Credentials': 'true' } : {};
    return {
      'Access-Control-Allow-Origin': this.#options?.origins === '*' ? '*' : origin,
      ...credentials,
    };
  }
}
