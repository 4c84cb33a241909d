/** Linear mix of red, green and blue, each 0–1. */
export type Color = readonly [number, number, number];

/** The colours of one moment of the scene. */
export interface Palette {
  /** From the horizon to the zenith. */
  sky: readonly Color[];
  /** The farthest and the nearest mountains. */
  ridgeFar: Color;
  ridgeNear: Color;
  fog: Color;
  auroraLow: Color;
  auroraHigh: Color;
  moon: Color;
}

/** Colours around one hue in degrees. */
export function paletteOf(hue: number): Palette {
  return {
    sky: [
      hsl(hue + 12, 0.46, 0.34),
      hsl(hue + 28, 0.48, 0.22),
      hsl(hue + 48, 0.52, 0.13),
      hsl(hue + 62, 0.56, 0.075),
      hsl(hue + 70, 0.6, 0.035),
    ],
    ridgeFar: hsl(hue + 30, 0.4, 0.19),
    ridgeNear: hsl(hue + 60, 0.5, 0.025),
    fog: hsl(hue + 16, 0.42, 0.27),
    auroraLow: hsl(hue, 0.85, 0.5),
    auroraHigh: hsl(hue + 110, 0.75, 0.5),
    moon: hsl(hue + 20, 0.3, 0.88),
  };
}

/** CSS Color 4, section 7.1; hue in degrees, the rest 0–1. */
export function hsl(hue: number, saturation: number, lightness: number): Color {
  const channel = (offset: number): number => {
    const place = (offset + (((hue % 360) + 360) % 360) / 30) % 12;
    const chroma = saturation * Math.min(lightness, 1 - lightness);
    return lightness - chroma * Math.max(-1, Math.min(place - 3, 9 - place, 1));
  };
  return [channel(0), channel(8), channel(4)];
}
