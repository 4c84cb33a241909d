import { BEATS_PER_BAR, BPM, Score, type Chord, type Step } from './score.js';

const EIGHTH_S = 60 / BPM / 2;
/** Notes are handed to the audio thread this long before they sound; longer than any stall of the page. */
const LOOKAHEAD_S = 0.6;
const SCHEDULE_INTERVAL_MS = 150;
const MASTER_GAIN = 0.5;

/** Plays the score with a handful of oscillators: pad, bass, plucked melody and an echo. */
export class Music {
  readonly #context = new AudioContext({ latencyHint: 'interactive' });
  readonly #score: Score;
  readonly #onStep: (step: Step) => void;
  readonly #output: AudioNode;
  readonly #echo: AudioNode;
  #nextStepS = 0;
  #nextSilentStepMs = 0;

  /** @param onStep Called about when a step sounds. */
  constructor(seed: number, onStep: (step: Step) => void) {
    this.#score = new Score(seed);
    this.#onStep = onStep;
    const master = this.#context.createGain();
    master.gain.value = MASTER_GAIN;
    // The sum of many quiet notes must not clip.
    master.connect(this.#context.createDynamicsCompressor()).connect(this.#context.destination);
    this.#output = master;
    this.#echo = this.#createEcho(master);
  }

  /** Whether sound comes out; false until the first gesture where the browser wants one. */
  get running(): boolean {
    return this.#context.state === 'running';
  }

  start(): void {
    void this.#context.resume();
    this.#nextStepS = this.#context.currentTime + 0.2;
    setInterval(() => this.#schedule(), SCHEDULE_INTERVAL_MS);
  }

  /** Tries again after a gesture. */
  resume(): void {
    void this.#context.resume();
  }

  /** Answers a pulse: three notes upward, at once. */
  chime(): void {
    const startS = this.#context.currentTime + 0.02;
    [76, 81, 88].forEach((note, index) => this.#pluck(note, startS + index * 0.09, 0.16, index * 0.5 - 0.5));
  }

  #schedule(): void {
    const nowS = this.#context.currentTime;
    // A suspended context stands still; the picture should go through its sections all the same.
    if (!this.running) {
      if (performance.now() < this.#nextSilentStepMs) return;
      this.#nextSilentStepMs = performance.now() + EIGHTH_S * 1000;
      this.#onStep(this.#score.next());
      return;
    }
    if (this.#nextStepS < nowS) this.#nextStepS = nowS + 0.05;
    while (this.#nextStepS < nowS + LOOKAHEAD_S) {
      const step = this.#score.next();
      this.#play(step, this.#nextStepS);
      setTimeout(() => this.#onStep(step), (this.#nextStepS - nowS) * 1000);
      this.#nextStepS += EIGHTH_S;
    }
  }

  #play(step: Step, atS: number): void {
    if (step.chordStarts) this.#hold(step.chord, atS);
    if (step.index % (BEATS_PER_BAR * 2) === 0) this.#bass(step.chord.bass, atS);
    if (step.melody !== undefined) {
      this.#pluck(step.melody, atS, 0.1 * step.accent, ((step.melody * 7) % 11) / 8 - 0.6);
    }
  }

  #hold(chord: Chord, atS: number): void {
    const lengthS = EIGHTH_S * BEATS_PER_BAR * 2 * 2;
    const filter = this.#context.createBiquadFilter();
    filter.type = 'lowpass';
    filter.frequency.setValueAtTime(500, atS);
    filter.frequency.linearRampToValueAtTime(1100, atS + lengthS * 0.5);
    filter.frequency.linearRampToValueAtTime(500, atS + lengthS);
    filter.connect(this.#output);
    chord.pad.forEach((note, index) => {
      const gain = this.#envelope(atS, lengthS * 0.35, 0.038, lengthS * 0.9);
      this.#voice('triangle', note, atS, lengthS * 1.4, index % 2 === 0 ? 4 : -4).connect(gain);
      gain.connect(this.#pan(index / 2 - 0.75)).connect(filter);
    });
  }

  #bass(note: number, atS: number): void {
    const gain = this.#envelope(atS, 0.06, 0.14, EIGHTH_S * 7);
    this.#voice('sine', note, atS, EIGHTH_S * 9, 0)
      .connect(gain)
      .connect(this.#output);
  }

  #pluck(note: number, atS: number, level: number, pan: number): void {
    const gain = this.#context.createGain();
    gain.gain.setValueAtTime(0, atS);
    gain.gain.linearRampToValueAtTime(level, atS + 0.008);
    gain.gain.exponentialRampToValueAtTime(0.0005, atS + 1.6);
    this.#voice('sine', note, atS, 1.7, 0).connect(gain);
    const overtone = this.#context.createGain();
    overtone.gain.setValueAtTime(level * 0.3, atS);
    overtone.gain.exponentialRampToValueAtTime(0.0005, atS + 0.4);
    this.#voice('sine', note + 19, atS, 0.45, 0)
      .connect(overtone)
      .connect(gain);
    const placed = gain.connect(this.#pan(pan));
    placed.connect(this.#output);
    placed.connect(this.#echo);
  }

  /** A gain that swells and dies away. */
  #envelope(atS: number, attackS: number, level: number, lengthS: number): GainNode {
    const gain = this.#context.createGain();
    gain.gain.setValueAtTime(0, atS);
    gain.gain.linearRampToValueAtTime(level, atS + attackS);
    gain.gain.setTargetAtTime(0, atS + lengthS, lengthS * 0.12);
    return gain;
  }

  #voice(type: OscillatorType, note: number, atS: number, lengthS: number, cents: number): OscillatorNode {
    const oscillator = this.#context.createOscillator();
    oscillator.type = type;
    oscillator.frequency.value = 440 * 2 ** ((note - 69) / 12);
    oscillator.detune.value = cents;
    oscillator.start(atS);
    oscillator.stop(atS + lengthS);
    return oscillator;
  }

  #pan(position: number): StereoPannerNode {
    return new StereoPannerNode(this.#context, { pan: Math.min(1, Math.max(-1, position)) });
  }

  /** Two delays that feed each other, left and right: space at a fraction of a convolver's cost. */
  #createEcho(output: AudioNode): AudioNode {
    const input = this.#context.createGain();
    input.gain.value = 0.32;
    const left = new DelayNode(this.#context, { delayTime: EIGHTH_S * 1.5, maxDelayTime: 2 });
    const right = new DelayNode(this.#context, { delayTime: EIGHTH_S * 1.5, maxDelayTime: 2 });
    const feedback = new GainNode(this.#context, { gain: 0.42 });
    const damping = new BiquadFilterNode(this.#context, { type: 'lowpass', frequency: 2200 });
    input.connect(left).connect(damping).connect(right).connect(feedback).connect(left);
    left.connect(this.#pan(-0.7)).connect(output);
    right.connect(this.#pan(0.7)).connect(output);
    return input;
  }
}
