import { expect, test } from 'vitest';

import { cleanFileName } from '../../../src/base/file-name.js';

test.each([
  ['report.pdf', 'report.pdf'],
  ['résumé 2026.tar.gz', 'résumé 2026.tar.gz'],
  ['漢字🎉.txt', '漢字🎉.txt'],
  ['../../etc/passwd', 'passwd'],
  ['..\\..\\windows\\system32\\cmd.exe', 'cmd.exe'],
  ['/etc/passwd', 'passwd'],
  ['C:\\fakepath\\photo.png', 'photo.png'],
  ['name/', 'file'],
  ['..', 'file'],
  ['', 'file'],
  ['. . .', 'file'],
  ['.bashrc', 'bashrc'],
  ['trailing. . ', 'trailing'],
  ['nul\0byte.txt', 'nulbyte.txt'],
  ['new\r\nline: x.txt', 'newline x.txt'],
  ['quote".txt', 'quote.txt'],
  ['picture\u202egnp.exe', 'picturegnp.exe'],
  ['half \ud83d of a pair', 'half  of a pair'],
  ['CON', '_CON'],
  ['nul.txt', '_nul.txt'],
  ['NUL .txt', '_NUL .txt'],
  ['../../Aux.tar.gz', '_Aux.tar.gz'],
  ['com1', '_com1'],
  ['LPT\u00b9.pdf', '_LPT\u00b9.pdf'],
  ['conIN$', '_conIN$'],
  ['console.log', 'console.log'],
  ['com10.txt', 'com10.txt'],
  ['C:\\\0../..\\PRN.', '_PRN'],
  ['a<b>c:d|e?f*g.txt', 'abcdefg.txt'],
])('the name %j is kept as %j', (name, kept) => {
  expect(cleanFileName(name)).toBe(kept);
});

test('a long name is cut to whole characters and keeps its extension', () => {
  const name = cleanFileName(`${'漢'.repeat(3000)}.pdf`);
  expect(name).toMatch(/^漢+\.pdf$/);
  expect(Buffer.byteLength(name)).toBeLessThanOrEqual(200);
  expect(Buffer.byteLength(cleanFileName(`a.${'x'.repeat(1000)}`))).toBe(200);
});
