import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { describe, expect, it } from 'vitest';

interface Section {
  readonly title: string;
  readonly passed: boolean;
  readonly text: string;
}

const script = pathToFileURL(join(import.meta.dirname, '../../scripts/gpu-check/report.mjs')).href;
const { contractSection, missingLines, reportText, sectionOrFailure, tableSection } = (await import(
  script
)) as {
  missingLines: (devices: object[], encoders: object[]) => string[];
  contractSection: (name: string, report: object | undefined, output: string) => Section;
  sectionOrFailure: (title: string, work: () => Promise<Section>) => Promise<Section>;
  tableSection: (title: string, passed: boolean, rows: object[]) => Section;
  reportText: (report: { date: string; machine: Record<string, string>; sections: Section[] }) => string;
};

const vitestReport = (...statuses: string[]) => ({
  testResults: [
    {
      assertionResults: statuses.map((status, index) => ({
        title: `test ${index}`,
        status,
        failureMessages: status === 'failed' ? ['expected 1\nto be 2'] : [],
      })),
    },
  ],
});

describe('the report of gpu-check', () => {
  it('has one line for each part that is missing', () => {
    const lines = missingLines(
      [],
      [
        { name: 'h264_nvenc', works: false, reason: 'Cannot load libcuda.so.1\nsecond line' },
        { name: 'h264_vaapi', works: false },
      ],
    );
    expect(lines).toHaveLength(4);
    expect(lines[1]).toContain('/dev/dri/renderD*');
    expect(lines.slice(2)).toEqual([
      'missing: h264_nvenc: Cannot load libcuda.so.1 second line',
      'missing: h264_vaapi: unknown',
    ]);
  });

  it('has a failed section for what could not be checked, such as rendering without a browser', async () => {
    const failed = await sectionOrFailure('Rendering', () =>
      Promise.reject(new Error('No Chromium\nwas found')),
    );
    expect(failed).toEqual({ title: 'Rendering', passed: false, text: 'No Chromium was found' });
    const fine = { title: 'Rendering', passed: true, text: 'works' };
    expect(await sectionOrFailure('Rendering', () => Promise.resolve(fine))).toBe(fine);
  });

  it('passes an encoder whose tests passed, and fails one of which a test failed or none ran', () => {
    expect(contractSection('h264_nvenc', vitestReport('passed', 'skipped', 'passed'), '')).toMatchObject({
      passed: true,
      text: '| test | result |\n| --- | --- |\n| test 0 | passed |\n| test 2 | passed |',
    });
    const failed = contractSection('h264_nvenc', vitestReport('passed', 'failed'), '');
    expect(failed.passed).toBe(false);
    expect(failed.text).toContain('| test 1 | expected 1 to be 2 |');
    expect(contractSection('h264_nvenc', vitestReport('skipped'), 'no test').passed).toBe(false);
    expect(contractSection('h264_nvenc', undefined, 'Segmentation fault').text).toContain(
      'Segmentation fault',
    );
  });

  it('is Markdown that names what is not fine', () => {
    const sections = [
      tableSection('Encoders', true, [{ encoder: 'a|b', result: 'works' }]),
      { title: 'Failover from h264_nvenc', passed: false, text: 'It did not end in time.' },
    ];
    const text = reportText({ date: '2026-11-30', machine: { GPU: '/dev/nvidia0' }, sections });
    expect(text).toContain('Not fine: Failover from h264_nvenc.');
    expect(text).toContain('## Encoders: ok\n\n| encoder | result |');
    expect(text).toContain('| a\\|b | works |');
    expect(text).toContain('- GPU: /dev/nvidia0');
    expect(reportText({ date: '', machine: {}, sections: [] })).toContain('Everything is fine.');
  });
});
