// SFUs that others have written: LiveKit, and Pion's example of a WHIP and WHEP server. They are built by Go from its module
// proxy, once.
import { execFileSync } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { delimiter, join } from 'node:path';

/** Later versions replace modules by forks, which `go install` refuses. */
export const LIVEKIT = 'v1.13.5';
const PION = 'v4.2.26';
const API_KEY = 'key';
const API_SECRET = 'a secret of servers on loopback that is long enough';
/** Of all that is built: the first time takes minutes on two cores. */
const BUILD_TIMEOUT_MS = 480_000;

const root = join(import.meta.dirname, '..');
/** Has the servers, `server` of LiveKit and `whip-whep` of Pion, once they are built. */
export const sfuDirectory = join(root, 'node_modules', '.cache', 'sfu', `livekit-${LIVEKIT}-pion-${PION}`);
const deadline = Date.now() + BUILD_TIMEOUT_MS;
const env = {
  ...process.env,
  PATH: [process.env.PATH, '/usr/local/go/bin'].join(delimiter),
  GOBIN: sfuDirectory,
  GOFLAGS: `-trimpath -buildvcs=false -p=${availableParallelism()}`,
};

function go(args, cwd = root) {
  return execFileSync('nice', ['-n', '10', 'go', ...args], {
    cwd,
    env,
    encoding: 'utf8',
    timeout: Math.max(deadline - Date.now(), 1),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

function buildLiveKit() {
  if (existsSync(join(sfuDirectory, 'server'))) return;
  console.error(`Building LiveKit ${LIVEKIT}, which takes some minutes …`);
  go(['install', '-ldflags=-s -w', `github.com/livekit/livekit-server/cmd/server@${LIVEKIT}`]);
}

/** The example is as it is but for its port, which is fixed on all interfaces, and for the public STUN server that it asks. */
function buildPion() {
  if (existsSync(join(sfuDirectory, 'whip-whep'))) return;
  console.error(`Building Pion's example of WHIP and WHEP, ${PION} …`);
  const { Dir: source } = JSON.parse(go(['mod', 'download', '-json', `github.com/pion/webrtc/v4@${PION}`]));
  const copy = join(sfuDirectory, 'pion');
  rmSync(copy, { recursive: true, force: true });
  cpSync(source, copy, { recursive: true });
  execFileSync('chmod', ['-R', 'u+w', copy]);
  const file = join(copy, 'examples', 'whip-whep', 'main.go');
  const text = readFileSync(file, 'utf8')
    .replace('":8080"', 'os.Getenv("LISTEN")')
    .replace('"net/http"', '"net/http"\n\t"os"')
    .replace('"stun:stun.l.google.com:19302"', '');
  writeFileSync(file, text);
  go(['build', '-o', join(sfuDirectory, 'whip-whep'), './examples/whip-whep'], copy);
  rmSync(copy, { recursive: true, force: true });
}

/**
 * An access token of LiveKit: a JWT signed by HMAC-SHA256 (RFC 7519).
 *
 * @param grant - `room`, and what may be done there, such as `canPublish`.
 */
export function tokenOf(identity, grant) {
  const encode = (part) => Buffer.from(JSON.stringify(part)).toString('base64url');
  const now = Math.floor(Date.now() / 1000);
  const video = { roomJoin: true, ...grant };
  const claims = { iss: API_KEY, sub: identity, nbf: now - 10, exp: now + 600, video };
  const signed = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode(claims)}`;
  return `${signed}.${createHmac('sha256', API_SECRET).update(signed).digest('base64url')}`;
}

/** Arguments of a LiveKit server on loopback, with its own defaults but for where it listens and {@link tokenOf}. */
export function liveKitArguments({ port, tcpPort, udpPort }) {
  const config = {
    port,
    bind_addresses: ['127.0.0.1'],
    keys: { [API_KEY]: API_SECRET },
    rtc: {
      tcp_port: tcpPort,
      udp_port: udpPort,
      use_external_ip: false,
      node_ip: '127.0.0.1',
      enable_loopback_candidate: true,
    },
    logging: { level: 'error' },
  };
  // JSON is YAML.
  return ['--config-body', JSON.stringify(config)];
}

const BUILDS = { livekit: buildLiveKit, pion: buildPion };

/**
 * Builds those that are not there yet.
 *
 * @param names - of BUILDS.
 * @returns why there are none; undefined: there are.
 */
export function buildSfus(names) {
  try {
    mkdirSync(sfuDirectory, { recursive: true });
    for (const name of names) BUILDS[name]();
    return undefined;
  } catch (error) {
    if (error.code === 'ENOENT' || /No such file or directory/.test(error.stderr ?? ''))
      return 'there is no Go';
    if (error.code === 'ETIMEDOUT') return 'it could not be built in time';
    const said = (error.stderr || error.stdout || error.message)
      .split('\n')
      .filter((line) => !/downloading/.test(line));
    return `it cannot be built: ${said.join(' ').replaceAll(/\s+/g, ' ').trim().slice(0, 200)}`;
  }
}
