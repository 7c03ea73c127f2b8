/** Random augmentation of training images. */
import { type Random, randomStream } from "../numbers/index.ts"
import type { Augmentation, ImageDraw, Size } from "./image.ts"
import type { Window } from "./resize.ts"

const TRIES = 10
const [NARROWEST, WIDEST] = [3 / 4, 4 / 3] // width to height

const between = (low: number, high: number, random: Random): number => low + (high - low) * random()

/** Rounds halves to the even number, as Python's `round`. */
const round = (x: number): number => {
  const below = Math.floor(x)
  return x - below === 0.5 ? below + (below % 2) : Math.round(x)
}

/**
 * Draws the crop of torchvision's `RandomResizedCrop.get_params`: a share of the area between `least` and 1, a log-uniform aspect ratio
 * between 3:4 and 4:3, and a position; after ten failed attempts, the largest center crop within these ratios.
 */
const randomCrop = ({ width, height }: Size, least: number, random: Random): Window => {
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const area = width * height * between(least, 1, random)
    const ratio = Math.exp(between(Math.log(NARROWEST), Math.log(WIDEST), random))
    const [w, h] = [round(Math.sqrt(area * ratio)), round(Math.sqrt(area / ratio))]
    if (w < 1 || h < 1 || w > width || h > height) continue
    const top = Math.floor(random() * (height - h + 1))
    return { top, left: Math.floor(random() * (width - w + 1)), width: w, height: h }
  }
  const ratio = width / height
  const w = ratio > WIDEST ? Math.max(1, round(height * WIDEST)) : width
  const h = ratio < NARROWEST ? Math.max(1, round(width / NARROWEST)) : height
  return { left: Math.floor((width - w) / 2), top: Math.floor((height - h) / 2), width: w, height: h }
}

/** Draws the changes to an image, which depend on its size, the augmentation and the draw only. */
export const drawn = (
  image: Size,
  { flip, crop }: Augmentation,
  { seed, epoch, row }: ImageDraw
): { readonly flip: boolean; readonly crop: Window | undefined } => {
  const random = randomStream(seed, "image", epoch, row)
  // drawn first, so that a crop does not change which images are flipped
  const flipped = random() < 0.5
  return { flip: flip && flipped, crop: crop === null ? undefined : randomCrop(image, crop, random) }
}
