import { describe, expect, it } from 'vitest';

import { parseKeyName } from '../../../src/input/key-name.js';

const plain = { ctrl: false, alt: false, shift: false };

describe('parseKeyName', () => {
  it.each([
    ['Enter', { ...plain, key: 'Enter' }],
    ['enter', { ...plain, key: 'Enter' }],
    ['Up', { ...plain, key: 'ArrowUp' }],
    ['PPage', { ...plain, key: 'PageUp' }],
    ['BSpace', { ...plain, key: 'Backspace' }],
    ['Space', { ...plain, key: ' ' }],
    ['F12', { ...plain, key: 'F12' }],
    ['C-c', { ...plain, ctrl: true, key: 'c' }],
    ['M-x', { ...plain, alt: true, key: 'x' }],
    ['C-M-S-Left', { ctrl: true, alt: true, shift: true, key: 'ArrowLeft' }],
    ['BTab', { ...plain, shift: true, key: 'Tab' }],
    ['-', { ...plain, key: '-' }],
    ['C--', { ...plain, ctrl: true, key: '-' }],
    ['é', { ...plain, key: 'é' }],
    ['😀', { ...plain, key: '😀' }],
  ])('reads %s', (name, key) => {
    expect(parseKeyName(name)).toEqual(key);
  });

  it.each([
    '',
    'C-',
    'C-C-c',
    'X-c',
    'F13',
    'Enterr',
    'constructor',
    '__proto__',
    'ab',
    '\n',
    '\ud800',
    'c\n',
    '-t other',
    'C-c; kill-server',
    'x'.repeat(10_000),
    'C-'.repeat(10_000),
  ])('finds no key in %j', (name) => {
    expect(parseKeyName(name)).toBeUndefined();
  });
});
