/** A rectangle, CSS pixels of the window. */
export interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** A place in the picture: fractions of its width and height, never outside. */
export interface PicturePlace {
  readonly x: number;
  readonly y: number;
}

/**
 * Where a picture is seen within the content box of its element: CSS Images 3, section 5.5.
 *
 * @param fit - computed `object-fit`.
 * @param position - computed `object-position`.
 */
export function pictureBox(
  content: Box,
  picture: { readonly width: number; readonly height: number },
  fit: string,
  position: string,
): Box {
  const scale = scaleOf(content, picture, fit);
  if (scale === undefined || !(picture.width > 0 && picture.height > 0)) return content;
  const width = picture.width * scale;
  const height = picture.height * scale;
  const [x = '', y = ''] = position.split(' ');
  return {
    left: content.left + offset(x, content.width - width),
    top: content.top + offset(y, content.height - height),
    width,
    height,
  };
}

/** @returns undefined outside of the picture, unless `clamped`, when the nearest place in it counts. */
export function placeIn(
  box: Box,
  clientX: number,
  clientY: number,
  clamped = false,
): PicturePlace | undefined {
  const x = (clientX - box.left) / box.width;
  const y = (clientY - box.top) / box.height;
  const isInside = x >= 0 && x <= 1 && y >= 0 && y <= 1;
  if (!isInside && !clamped) return undefined;
  // An element without a size has no places; a thousandth of a pixel is fine enough, and short.
  return Number.isFinite(x) && Number.isFinite(y) ? { x: fraction(x), y: fraction(y) } : undefined;
}

/** Of a video that is shown: its own picture, or all of its element before there is one. */
export function shownPicture(video: HTMLVideoElement): Box {
  const style = getComputedStyle(video);
  const outer = video.getBoundingClientRect();
  // A transform scales borders and padding as well.
  const scaleX = outer.width / (video.offsetWidth || 1);
  const scaleY = outer.height / (video.offsetHeight || 1);
  const left = (video.clientLeft + parseFloat(style.paddingLeft)) * scaleX;
  const top = (video.clientTop + parseFloat(style.paddingTop)) * scaleY;
  const right = (parseFloat(style.borderRightWidth) + parseFloat(style.paddingRight)) * scaleX;
  const bottom = (parseFloat(style.borderBottomWidth) + parseFloat(style.paddingBottom)) * scaleY;
  return pictureBox(
    {
      left: outer.left + left,
      top: outer.top + top,
      width: outer.width - left - right,
      height: outer.height - top - bottom,
    },
    { width: video.videoWidth, height: video.videoHeight },
    style.objectFit,
    style.objectPosition,
  );
}

/** undefined: it is stretched to the whole of the box. */
function scaleOf(content: Box, picture: { width: number; height: number }, fit: string): number | undefined {
  const inX = content.width / picture.width;
  const inY = content.height / picture.height;
  switch (fit) {
    case 'contain':
      return Math.min(inX, inY);
    case 'cover':
      return Math.max(inX, inY);
    case 'none':
      return 1;
    case 'scale-down':
      return Math.min(1, inX, inY);
    default:
      return undefined;
  }
}

/** Of the picture from the edge of the box, in which so much is free; what is neither % nor px counts as the middle. */
function offset(position: string, free: number): number {
  const value = parseFloat(position);
  if (position.endsWith('px')) return value;
  return (position.endsWith('%') ? value / 100 : 0.5) * free;
}

function fraction(value: number): number {
  return Math.round(Math.min(1, Math.max(0, value)) * 1e6) / 1e6;
}
