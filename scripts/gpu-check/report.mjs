// What `npm run gpu-check` prints and writes.

/**
 * @typedef {object} Section
 * @property {string} title
 * @property {boolean} passed
 * @property {string} text - Markdown.
 */

/** One line for each part that this machine lacks. @returns {string[]} */
export function missingLines(devices, encoders) {
  const device =
    devices.length === 0
      ? [
          'missing: a device, since neither /dev/dri/renderD* nor /dev/nvidia* is there; rendering was not checked',
        ]
      : [];
  return [
    'There is no GPU that could be checked.',
    ...device,
    ...encoders
      .filter(({ works }) => !works)
      .map(({ name, reason }) => `missing: ${name}: ${oneLine(reason ?? 'unknown')}`),
  ];
}

/**
 * What the work finds, or a section that says why it could not be done.
 *
 * @param {() => Promise<Section>} work
 * @returns {Promise<Section>}
 */
export async function sectionOrFailure(title, work) {
  try {
    return await work();
  } catch (error) {
    return { title, passed: false, text: oneLine(error.message) };
  }
}

/** @returns {Section} */
export function tableSection(title, passed, rows) {
  const head = Object.keys(rows[0] ?? {});
  const line = (cells) =>
    `| ${cells.map((cell) => oneLine(String(cell)).replaceAll('|', '\\|')).join(' | ')} |`;
  const lines = [
    line(head),
    line(head.map(() => '---')),
    ...rows.map((row) => line(head.map((key) => row[key]))),
  ];
  return { title, passed, text: lines.join('\n') };
}

/**
 * @param report - vitest's, in JSON; undefined where it ended before.
 * @param {string} output - what it printed.
 * @returns {Section}
 */
export function contractSection(name, report, output) {
  const title = `Contract suite of ${name}`;
  const tests = (report?.testResults ?? [])
    .flatMap(({ assertionResults }) => assertionResults)
    .filter(({ status }) => status === 'passed' || status === 'failed');
  if (tests.length === 0) {
    return {
      title,
      passed: false,
      text: `No test ran.\n\n\`\`\`text\n${output.trim().slice(-2000)}\n\`\`\``,
    };
  }
  const rows = tests.map(({ title: test, status, failureMessages = [] }) => ({
    test,
    result: status === 'passed' ? 'passed' : oneLine(failureMessages.join(' ')).slice(0, 300),
  }));
  return tableSection(
    title,
    tests.every(({ status }) => status === 'passed'),
    rows,
  );
}

/** @param {{ date: string, machine: Record<string, string>, sections: Section[] }} report */
export function reportText({ date, machine, sections }) {
  const failed = sections.filter(({ passed }) => !passed);
  const verdict =
    failed.length === 0 ? 'Everything is fine.' : `Not fine: ${failed.map(({ title }) => title).join(', ')}.`;
  return [
    '# GPU check',
    `${date}. ${verdict}`,
    Object.entries(machine)
      .map(([name, value]) => `- ${name}: ${oneLine(value)}`)
      .join('\n'),
    ...sections.flatMap(({ title, passed, text }) => [`## ${title}: ${passed ? 'ok' : 'failed'}`, text]),
    '',
  ].join('\n\n');
}

function oneLine(text) {
  return text.replaceAll(/\s+/g, ' ').trim();
}
