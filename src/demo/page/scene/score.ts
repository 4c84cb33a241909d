import { seededRandom } from './seeded-random.js';

/** Semitones over the root of the key, from low to high. */
export interface Chord {
  name: string;
  /** MIDI number of the bass note. */
  bass: number;
  /** MIDI numbers of the held notes. */
  pad: readonly number[];
}

/** A part of the piece; each is eight bars of four beats. */
export interface Section {
  name: string;
  /** Chance that an eighth gets a note of the melody. */
  density: number;
  /** Brightness of the aurora while it plays. */
  glow: number;
  /** Degrees that the colours move. */
  hueShift: number;
  chords: readonly Chord[];
}

/** Beats a minute. */
export const BPM = 66;
export const BEATS_PER_BAR = 4;

const A_MINOR: Chord = { name: 'Am9', bass: 45, pad: [57, 60, 64, 71] };
const F_MAJOR: Chord = { name: 'Fmaj7', bass: 41, pad: [57, 60, 64, 65] };
const C_MAJOR: Chord = { name: 'Cadd9', bass: 48, pad: [55, 60, 62, 64] };
const G_SUS: Chord = { name: 'Gsus4', bass: 43, pad: [55, 60, 62, 67] };
const D_MINOR: Chord = { name: 'Dm7', bass: 38, pad: [57, 60, 62, 65] };
const E_MINOR: Chord = { name: 'Em7', bass: 40, pad: [55, 59, 62, 64] };

const SECTIONS: readonly Section[] = [
  { name: 'Still water', density: 0.22, glow: 0.75, hueShift: 0, chords: [A_MINOR, F_MAJOR, C_MAJOR, G_SUS] },
  {
    name: 'First light',
    density: 0.38,
    glow: 0.95,
    hueShift: 14,
    chords: [F_MAJOR, C_MAJOR, D_MINOR, A_MINOR],
  },
  { name: 'Aurora', density: 0.55, glow: 1.25, hueShift: 34, chords: [A_MINOR, E_MINOR, F_MAJOR, G_SUS] },
  { name: 'Afterglow', density: 0.3, glow: 0.85, hueShift: 18, chords: [D_MINOR, F_MAJOR, C_MAJOR, G_SUS] },
];

/** A minor pentatonic over two octaves: every two of these notes sound well together. */
const SCALE = [69, 72, 74, 76, 79, 81, 84, 86, 88, 91] as const;

/** One eighth of the piece. */
export interface Step {
  index: number;
  section: Section;
  chord: Chord;
  /** The chord begins here. */
  chordStarts: boolean;
  /** MIDI number, or undefined for a rest. */
  melody: number | undefined;
  /** 0–1. */
  accent: number;
}

/** Writes the piece eighth by eighth; it never ends, and the same seed gives the same piece. */
export class Score {
  readonly #random: () => number;
  #index = 0;
  #degree = 4;

  constructor(seed: number) {
    this.#random = seededRandom(seed ^ 0x5eed);
  }

  next(): Step {
    const index = this.#index++;
    const stepsPerChord = BEATS_PER_BAR * 2 * 2;
    const chordIndex = Math.floor(index / stepsPerChord);
    const section = SECTIONS[Math.floor(chordIndex / 4) % SECTIONS.length];
    const chord = section?.chords[chordIndex % 4];
    if (section === undefined || chord === undefined) throw new RangeError('The score has lost its place');
    const onBeat = index % 2 === 0;
    const plays = this.#random() < section.density * (onBeat ? 1.25 : 0.75);
    // Small steps with now and then a leap sound sung; any note from any note sounds random.
    const move = this.#random() < 0.15 ? 4 : 2;
    this.#degree += Math.round((this.#random() * 2 - 1) * move);
    this.#degree = Math.min(SCALE.length - 1, Math.max(0, this.#degree));
    return {
      index,
      section,
      chord,
      chordStarts: index % stepsPerChord === 0,
      melody: plays ? SCALE[this.#degree] : undefined,
      accent: (onBeat ? 0.75 : 0.5) + this.#random() * 0.25,
    };
  }
}
