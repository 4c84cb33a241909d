// Tests against SFUs that others have written, where they can be built; otherwise they are skipped with one line.
//
//   npm run test:sfu
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

import { buildSfus, sfuDirectory } from './sfu-servers.mjs';

const root = join(import.meta.dirname, '..');

const reason = buildSfus(['pion', 'livekit']);
if (reason !== undefined) console.log(`The tests against SFUs are skipped: ${reason}`);
else {
  const { status } = spawnSync(
    process.execPath,
    [join(root, 'node_modules/vitest/vitest.mjs'), 'run', '--project', 'sfu'],
    { cwd: root, stdio: 'inherit', env: { ...process.env, SFU_DIRECTORY: sfuDirectory } },
  );
  process.exitCode = status ?? 1;
}
