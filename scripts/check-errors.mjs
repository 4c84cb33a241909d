// Fails where the message of an error in src/ ends with a period: a message is a sentence that may stand inside another one. And where
// a `catch` begins by cleaning up what may fail unnoticed: `cleanUp` of src/base/ logs it.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const ENDS_WITH_PERIOD =
  /new \w*Error\((?:\s*'\w+',)?\s*(?:'(?:[^'\\\n]|\\.)*[^.]\.'|`(?:[^`\\]|\\.)*[^.]\.`)/g;
const SWALLOWS = /\bcatch (?:\(\w+\) )?\{[^{}]*?\)\s*\.catch\(\(\) => undefined\)/g;
/** There is no log. */
const IN_BROWSERS = /^(?:client|react|admin|demo\/page)\//;

let found = 0;
for (const path of readdirSync(join(root, 'src'), { recursive: true })) {
  if (!path.endsWith('.ts')) continue;
  const source = readFileSync(join(root, 'src', path), 'utf8');
  for (const { index } of source.matchAll(ENDS_WITH_PERIOD)) {
    console.error(`src/${path}:${source.slice(0, index).split('\n').length}: the message ends with a period`);
    found += 1;
  }
  if (IN_BROWSERS.test(path)) continue;
  for (const { index, 0: text } of source.matchAll(SWALLOWS)) {
    const line = source.slice(0, index + text.length).split('\n').length;
    console.error(`src/${path}:${line}: a failure of the clean-up is swallowed: expected cleanUp()`);
    found += 1;
  }
}
process.exitCode = found === 0 ? 0 : 1;
