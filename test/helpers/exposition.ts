/** The samples of a text in the format of Prometheus: by `name{label="value",…}` as it is written. */
export function samplesOf(text: string): Map<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => {
      const at = line.lastIndexOf(' ');
      return [line.slice(0, at), Number(line.slice(at + 1))];
    }),
  );
}

/** The metrics of a text and their types. */
export function typesOf(text: string): Map<string, string> {
  const found = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)];
  return new Map(found.map(([, name = '', type = '']) => [name, type]));
}
