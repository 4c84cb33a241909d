import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** Scripts that most of the web's pages need, with a language that fontconfig knows them by and a package of Debian. */
const SCRIPTS = [
  { script: 'Chinese, Japanese, Korean', language: 'ja', packageName: 'fonts-noto-cjk' },
  { script: 'Arabic', language: 'ar', packageName: 'fonts-noto-core' },
  { script: 'Devanagari', language: 'hi', packageName: 'fonts-noto-core' },
  { script: 'emoji', language: 'und-zsye', packageName: 'fonts-noto-color-emoji' },
] as const;

export interface MissingFont {
  readonly script: string;
  readonly packageName: string;
}

/** The scripts for which no font is installed. Undefined: fontconfig is not there to be asked. */
export async function missingFonts(): Promise<readonly MissingFont[] | undefined> {
  try {
    const found = await Promise.all(
      SCRIPTS.map(({ language }) => promisify(execFile)('fc-list', [`:lang=${language}`, 'family'])),
    );
    return SCRIPTS.filter((_, index) => found[index]?.stdout.trim() === '');
  } catch {
    return undefined;
  }
}
