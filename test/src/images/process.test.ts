/** From pixels to a model's numbers, as transformers' processors do it, and changes at random. */
import { describe, expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import { drawn } from "../../../src/images/augment.ts"
import {
  type Augmentation,
  decodedImage,
  type Processing,
  type ProcessorName,
  processed,
  processingOf
} from "../../../src/images/index.ts"
import { file, json, noise, sha256 } from "./golden.ts"

interface Case {
  readonly config: Readonly<Record<string, unknown>>
  readonly file: string
  readonly shape: readonly [number, number, number]
  readonly sha256: string
  readonly fast?: string
}

const cases: ReadonlyArray<Case> = json("processed")
const pixelsOf = (name: string) => Effect.runPromise(decodedImage(file(name), name))
const processing = (config: object, absent: ProcessorName = "ViTImageProcessor"): Processing => {
  const parsed = processingOf(config, absent)
  if ("problems" in parsed) throw new Error(parsed.problems.join("; "))
  return parsed.processing
}
const problems = (config: unknown): ReadonlyArray<string> => {
  const parsed = processingOf(config, "ViTImageProcessor")
  return "problems" in parsed ? parsed.problems : []
}

for (const { config, file: name, shape, sha256: digest, fast } of cases) {
  test(`${name} by ${JSON.stringify(config)}`, async () => {
    const own = processing(config)
    expect([own.size.height, own.size.width, 3]).toEqual([...shape])
    const numbers = processed(await pixelsOf(name), own)
    // the processors on Pillow: the same bits
    expect(sha256(numbers)).toBe(digest)
    if (fast === undefined) return
    // those on torchvision round between their passes otherwise: by one level at most
    const levels = new Uint8Array(Buffer.from(fast, "base64"))
    let most = 0
    for (const [i, number] of numbers.entries()) {
      const level = (number * own.deviation[i % 3]! + own.mean[i % 3]!) / own.scale
      most = Math.max(most, Math.abs(level - levels[i]!))
    }
    expect(most).toBeLessThan(1.001)
  })
}

describe("preprocessor_config.json", () => {
  test("what is absent is what the class says", () => {
    expect(processing({})).toMatchObject({
      size: { height: 224, width: 224 },
      resampling: "bilinear",
      mean: [0.5, 0.5, 0.5]
    })
    expect(processing({}, "CLIPImageProcessor")).toMatchObject({
      size: { height: 224, width: 224 },
      resize: { shortestEdge: 224 },
      resampling: "bicubic"
    })
    expect(processing({ feature_extractor_type: "CLIPFeatureExtractor", size: 336, crop_size: 336 })).toMatchObject({
      size: { height: 336, width: 336 },
      resize: { shortestEdge: 336 }
    })
    expect(processing({ image_processor_type: "DeiTImageProcessorFast", size: 300 })).toMatchObject({
      size: { height: 224, width: 224 },
      resize: { height: 300, width: 300 }
    })
  })

  test("steps that are switched off do nothing", () => {
    expect(processing({ size: 30, do_rescale: false, do_normalize: false, image_mean: null })).toMatchObject({
      scale: 1,
      mean: [0, 0, 0],
      deviation: [1, 1, 1]
    })
    expect(processing({ do_resize: false, do_center_crop: true, crop_size: 8 })).toMatchObject({ resize: null })
  })

  test("all that is wrong is said at once", () => {
    expect(
      problems({
        image_processor_type: "BeitImageProcessor",
        size: { longest_edge: 300 },
        resample: 9,
        image_mean: [1, 2],
        image_std: 0,
        do_rescale: "yes",
        rescale_factor: -1,
        do_pad: true,
        crop_pct: 0.9
      })
    ).toEqual([
      'image_processor_type: found "BeitImageProcessor"; expected ViTImageProcessor, CLIPImageProcessor, DeiTImageProcessor',
      'size: found {"longest_edge":300}; expected a number of pixels, {"height", "width"} or {"shortest_edge"}',
      "resample: found 9; expected one of Pillow's filters, 0 to 5 (nearest, lanczos, bilinear, bicubic, box, hamming)",
      "rescale_factor: found -1; expected a number above 0",
      "image_mean: found [1,2]; expected three numbers",
      "image_std: found 0; expected three numbers above 0",
      'do_rescale: found "yes"; expected true or false',
      "do_pad: found true, which is unknown and may change images; remove it",
      "crop_pct: found 0.9, which is unknown and may change images; remove it"
    ])
    expect(problems([])).toEqual(["found []; expected an object"])
    expect(problems({ size: { shortest_edge: 30 } })[0]).toStartWith(
      'size: found {"shortest_edge"} without do_center_crop'
    )
    expect(problems({ do_resize: false })[0]).toStartWith("do_resize: found false, and no do_center_crop")
    expect(problems({ size: 100_000 })[0]).toStartWith("the size of images is 100000 × 100000, more than")
  })
})

const plain: Processing = {
  size: { height: 6, width: 8 },
  resize: null,
  resampling: "bilinear",
  scale: 1,
  mean: [0, 0, 0],
  deviation: [1, 1, 1],
  channels: 3
}
const image = { width: 8, height: 6, data: noise(8 * 6 * 3, 3) }

test("grey numbers are Pillow's luma", () => {
  const numbers = processed(image, { ...plain, channels: 1 })
  const [red, green, blue] = image.data
  expect(numbers.length).toBe(48)
  expect(numbers[0]).toBe((red! * 19_595 + green! * 38_470 + blue! * 7_471 + 0x8000) >> 16)
})

test("an image that covers a size fills it, in its own proportions", () => {
  const white = { width: 10, height: 30, data: new Uint8Array(900).fill(255) }
  expect(processed(white, { ...plain, resize: "cover" }).every((number) => number === 255)).toBe(true)
  // a third of it is seen: rows 20 of 24 and 9 of 24 of an image whose rows count up
  const rows = { width: 8, height: 24, data: Uint8Array.from({ length: 8 * 24 * 3 }, (_, i) => Math.floor(i / 24)) }
  expect(processed(rows, { ...plain, resize: "cover" })[0]).toBe(9)
})

describe("changes at random", () => {
  const both: Augmentation = { flip: true, crop: 0.25 }
  const at = (row: number, epoch = 0, seed = 1) => ({ seed, epoch, row })

  test("are the same for the same seed, epoch and row, and others for others", () => {
    const digest = (...draw: Parameters<typeof at>) => sha256(processed(image, plain, both, at(...draw)))
    expect(digest(5)).toBe(digest(5))
    expect(new Set([digest(5), digest(6), digest(5, 1), digest(5, 0, 2)]).size).toBe(4)
    expect(sha256(processed(image, plain, both))).toBe(sha256(processed(image, plain)))
  })

  test("a flip exchanges left and right", () => {
    const row = Array.from({ length: 20 }, (_, i) => i).find((i) => drawn(image, both, at(i)).flip)!
    const numbers = processed(image, plain, { flip: true, crop: null }, at(row))
    const mirrored = Array.from({ length: 48 }, (_, i) =>
      [0, 1, 2].map((c) => image.data[(i - (i % 8) + 7 - (i % 8)) * 3 + c]!)
    )
    expect([...numbers]).toEqual(mirrored.flat())
  })

  test("half of the images are flipped, whether they are cropped or not", () => {
    const draws = Array.from({ length: 2_000 }, (_, row) => drawn(image, both, at(row)).flip)
    const flipped = draws.filter(Boolean).length
    // four standard deviations of 2,000 draws
    expect(Math.abs(flipped - 1_000)).toBeLessThan(4 * Math.sqrt(500))
    expect(draws).toEqual(draws.map((_, row) => drawn(image, { flip: true, crop: null }, at(row)).flip))
    expect(draws.some((_, row) => drawn(image, { flip: false, crop: 0.5 }, at(row)).flip)).toBe(false)
  })

  test("crops are within the image, of the shares and proportions that torchvision has", () => {
    const size = { width: 400, height: 300 }
    const areas: Array<number> = []
    for (let row = 0; row < 2_000; row++) {
      const { left, top, width, height } = drawn(size, { flip: false, crop: 0.25 }, at(row)).crop!
      expect(left >= 0 && top >= 0 && left + width <= 400 && top + height <= 300).toBe(true)
      // a pixel of rounding at either edge
      expect(width / height).toBeWithin(0.74, 1.35)
      areas.push((width * height) / 120_000)
    }
    expect(Math.min(...areas)).toBeWithin(0.245, 0.26)
    expect(Math.max(...areas)).toBeGreaterThan(0.95)
  })

  test("a strip of which no try fits is cropped in its middle", () => {
    const { crop } = drawn({ width: 1_000, height: 9 }, { flip: false, crop: 1 }, at(0))
    expect(crop).toEqual({ left: 494, top: 0, width: 12, height: 9 })
    expect(drawn({ width: 9, height: 1_000 }, { flip: false, crop: 1 }, at(0)).crop).toEqual({
      left: 0,
      top: 494,
      width: 9,
      height: 12
    })
  })
})
