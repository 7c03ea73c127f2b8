/** Images that are nearly PNG, JPEG or WebP files. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { crc32 } from "node:zlib"
import * as Effect from "effect/Effect"
import { setLimits } from "../../src/boundary/index.ts"
import { decodedImage, headerOf, processed, processingOf } from "../../src/images/index.ts"
import { mutateBytes } from "./mutate.ts"
import { golden, type Target } from "./target.ts"

const parsed = processingOf({ size: { shortest_edge: 12 }, crop_size: 12 }, "CLIPImageProcessor")
if ("problems" in parsed) throw new Error(parsed.problems.join("; "))
const { processing } = parsed

/** An image that passes as one of 4 megapixels may; its few bytes would take seconds to become 64. */
const MOST_PIXELS = 2 ** 22

/** The same with the sums of its chunks put right, as far as they are chunks: what is wrong with it then gets past the first check. */
const summed = (png: Uint8Array): Uint8Array => {
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength)
  for (let at = 8; at + 12 <= png.length; ) {
    const end = at + 8 + view.getUint32(at)
    if (end + 4 > png.length) break
    view.setUint32(end, crc32(png.subarray(at + 4, end)))
    at = end + 4
  }
  return png
}

/** Mutants of the golden files with an ending. What is decoded is as large as its header says. */
export const imageFiles =
  (ending: string): Target =>
  () => {
    const folder = golden("images")
    const seeds = readdirSync(folder)
      .filter((name) => name.endsWith(ending))
      .map((name) => new Uint8Array(readFileSync(join(folder, name))))
    setLimits({ "image-pixels": MOST_PIXELS })
    return (random) => {
      const mutant = mutateBytes(seeds, random)
      const bytes = ending === ".png" && random() < 0.5 ? summed(mutant.slice()) : mutant
      return Effect.gen(function* () {
        const pixels = yield* decodedImage(bytes, "image")
        const { width, height, orientation } = yield* headerOf(bytes, "image")
        const [across, down] = orientation < 5 ? [width, height] : [height, width]
        if (pixels.width !== across || pixels.height !== down || pixels.data.length !== 3 * width * height) {
          throw new Error(`${pixels.width} × ${pixels.height} pixels under a header of ${width} × ${height}`)
        }
        const numbers = processed(pixels, processing)
        if (!numbers.every(Number.isFinite)) throw new Error("numbers that are none")
      })
    }
  }
