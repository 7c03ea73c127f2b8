/** Applies orientations of images. */
import type { Pixels } from "./image.ts"

/**
 * Applies an EXIF orientation: 1 is upright, 2 mirrored, 3 upside down, 4 both, 5 to 8 with rows and columns
 * exchanged. Same result as Pillow's `ImageOps.exif_transpose`.
 */
export const upright = (pixels: Pixels, orientation: number): Pixels => {
  if (orientation === 1) return pixels
  const exchanged = orientation >= 5
  const [width, height] = exchanged ? [pixels.height, pixels.width] : [pixels.width, pixels.height]
  // whether stored rows and columns are read from their ends
  const fromRight = orientation === 2 || orientation === 3 || orientation === 7 || orientation === 8
  const fromBottom = orientation === 3 || orientation === 4 || orientation === 6 || orientation === 7
  const stepX = fromRight ? -3 : 3
  const stepY = (fromBottom ? -3 : 3) * pixels.width
  const first = (fromRight ? 3 * (pixels.width - 1) : 0) + (fromBottom ? 3 * pixels.width * (pixels.height - 1) : 0)
  const [acrossStep, downStep] = exchanged ? [stepY, stepX] : [stepX, stepY]
  const data = new Uint8Array(pixels.data.length)
  let to = 0
  for (let y = 0; y < height; y++) {
    let from = first + y * downStep
    for (let x = 0; x < width; x++, from += acrossStep, to += 3) {
      data[to] = pixels.data[from]!
      data[to + 1] = pixels.data[from + 1]!
      data[to + 2] = pixels.data[from + 2]!
    }
  }
  return { width, height, data }
}
