// Builds SFUs that others have written: LiveKit, and Pion's example of a WHIP and WHEP server. Go builds them from its module proxy,
// once; they stay in node_modules/.cache.
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { delimiter, join } from 'node:path';

const root = join(import.meta.dirname, '..');
/** Later versions replace modules by forks, which `go install` refuses. */
const LIVEKIT = 'v1.13.5';
const PION = 'v4.2.26';
/** Of all that is built: the first time takes minutes on two cores. */
const BUILD_TIMEOUT_MS = 480_000;

/** Where they are: `server` is LiveKit, `whip-whep` the example. */
export const SFU_DIRECTORY = join(root, 'node_modules', '.cache', 'sfu', `livekit-${LIVEKIT}-pion-${PION}`);
const deadline = Date.now() + BUILD_TIMEOUT_MS;
const env = {
  ...process.env,
  PATH: [process.env.PATH, '/usr/local/go/bin'].join(delimiter),
  GOBIN: SFU_DIRECTORY,
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
  if (existsSync(join(SFU_DIRECTORY, 'server'))) return;
  console.log(`Building LiveKit ${LIVEKIT}, which takes some minutes …`);
  go(['install', '-ldflags=-s -w', `github.com/livekit/livekit-server/cmd/server@${LIVEKIT}`]);
}

/** The example is as it is but for its port, which is fixed on all interfaces, and for the public STUN server that it asks. */
function buildPion() {
  if (existsSync(join(SFU_DIRECTORY, 'whip-whep'))) return;
  console.log(`Building Pion's example of WHIP and WHEP, ${PION} …`);
  const { Dir: source } = JSON.parse(go(['mod', 'download', '-json', `github.com/pion/webrtc/v4@${PION}`]));
  const copy = join(SFU_DIRECTORY, 'pion');
  rmSync(copy, { recursive: true, force: true });
  cpSync(source, copy, { recursive: true });
  execFileSync('chmod', ['-R', 'u+w', copy]);
  const file = join(copy, 'examples', 'whip-whep', 'main.go');
  const text = readFileSync(file, 'utf8')
    .replace('":8080"', 'os.Getenv("LISTEN")')
    .replace('"net/http"', '"net/http"\n\t"os"')
    .replace('"stun:stun.l.google.com:19302"', '');
  writeFileSync(file, text);
  go(['build', '-o', join(SFU_DIRECTORY, 'whip-whep'), './examples/whip-whep'], copy);
  rmSync(copy, { recursive: true, force: true });
}

/** @returns why there are none; undefined: there are. */
export function buildSfuServers() {
  try {
    mkdirSync(SFU_DIRECTORY, { recursive: true });
    buildPion();
    buildLiveKit();
    return undefined;
  } catch (error) {
    if (error.code === 'ENOENT' || /No such file or directory/.test(error.stderr ?? ''))
      return 'there is no Go';
    if (error.code === 'ETIMEDOUT') return 'they could not be built in time';
    const said = (error.stderr || error.stdout || error.message)
      .split('\n')
      .filter((line) => !/downloading/.test(line));
    return `they cannot be built: ${said.join(' ').replaceAll(/\s+/g, ' ').trim().slice(0, 200)}`;
  }
}
