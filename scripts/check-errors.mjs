// Fails where the message of an error in src/ ends with a period: a message is a sentence that may stand inside another one.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const ENDS_WITH_PERIOD =
  /new \w*Error\((?:\s*'\w+',)?\s*(?:'(?:[^'\\\n]|\\.)*[^.]\.'|`(?:[^`\\]|\\.)*[^.]\.`)/g;

let found = 0;
for (const path of readdirSync(join(root, 'src'), { recursive: true })) {
  if (!path.endsWith('.ts')) continue;
  const source = readFileSync(join(root, 'src', path), 'utf8');
  for (const { index } of source.matchAll(ENDS_WITH_PERIOD)) {
    console.error(`src/${path}:${source.slice(0, index).split('\n').length}: the message ends with a period`);
    found += 1;
  }
}
process.exitCode = found === 0 ? 0 : 1;
