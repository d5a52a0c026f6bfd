/** What can be wrong with the bytes of one image; its caller knows where they lie and makes an AppError of it. */
export type ImageFaultKind = 'unreadable' | 'truncated' | 'unsupported' | 'too_large';

export class ImageFault extends Error {
  readonly kind: ImageFaultKind;

  constructor(kind: ImageFaultKind, what: string) {
    super(what);
    this.kind = kind;
  }
}

/** Pixels of the largest image that is decoded: 400 MB while it is. */
const mostPixels = 100_000_000;

/** Refuses an image by its header, before anything of its size is allocated. */
export function checkSize(width: number, height: number): void {
  if (width < 1 || height < 1) {
    throw new ImageFault('unreadable', `it is ${width}×${height} pixels large`);
  }
  if (width * height > mostPixels) {
    throw new ImageFault(
      'too_large',
      `it is ${width}×${height} pixels large, and at most ${mostPixels / 1e6} million pixels are decoded`,
    );
  }
}
