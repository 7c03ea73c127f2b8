/** PNG, JPEG and WebP: the same bytes as Pillow makes of them; what is not read is one sentence, and leaves the next image as it is. */
import { describe, expect, test } from "bun:test"
import { crc32 } from "node:zlib"
import * as Effect from "effect/Effect"
import { decodedImage, headerOf } from "../../../src/images/index.ts"
import { chunk, file, joined, json, sha256 } from "./golden.ts"

const pillow: Record<string, { width: number; height: number; sha256: string }> = json("decoded")
const refused: Record<string, string> = {
  "photo-cmyk.jpg": "is a JPEG image in CMYK, colours for printing; expected RGB or grey",
  "animated.webp": "is an animated WebP image; expected a still image",
  "grey-16.png": "is a grey PNG image of 16 bits, which Pillow turns white wherever it is not black; expected 8 bits"
}
const decode = (bytes: Uint8Array, where = "photo") => Effect.runPromise(decodedImage(bytes, where))
const failure = (bytes: Uint8Array, where = "photo") => Effect.runPromise(Effect.flip(decodedImage(bytes, where)))
const headerFailure = (bytes: Uint8Array) => Effect.runSync(Effect.flip(headerOf(bytes, "photo"))).reason
const accepted = Object.keys(pillow).filter((name) => refused[name] === undefined)

test("there are files of every form", () => {
  expect(accepted.length).toBeGreaterThan(50)
})

// JPEG too: MozJPEG's decoder is that of libjpeg-turbo, which Pillow has
test.each(accepted)("%s decodes to the bytes that Pillow has, upright", async (name) => {
  const { width, height, data } = await decode(file(name))
  expect({ width, height, sha256: sha256(data) }).toEqual(pillow[name]!)
})

test("decoders define no location, which programs resolve URLs against", () => {
  expect("location" in globalThis).toBe(false)
})

test.each(accepted)("the header of %s says its size before it is turned", (name) => {
  const { format, width, height, orientation } = Effect.runSync(headerOf(file(name), name))
  const { width: w, height: h } = pillow[name]!
  expect(orientation).toBe(Number(/^turned-(\d)/.exec(name)?.[1] ?? 1))
  expect([width, height]).toEqual(orientation < 5 ? [w, h] : [h, w])
  expect(name).toEndWith({ png: ".png", jpeg: ".jpg", webp: ".webp" }[format])
})

test.each(Object.entries(refused))("%s is refused by its header", async (name, reason) => {
  expect(headerFailure(file(name))).toBe(reason)
  expect((await failure(file(name), name)).message).toBe(`${name}: ${reason}`)
})

const text = (content: string) => new TextEncoder().encode(content)

test.each([
  [file("other.gif"), "is a GIF image; expected PNG, JPEG or WebP"],
  [file("other.bmp"), "is a BMP image; expected PNG, JPEG or WebP"],
  [file("other.tiff"), "is a TIFF image; expected PNG, JPEG or WebP"],
  [file("other.avif"), "is an AVIF image; expected PNG, JPEG or WebP"],
  [joined([0, 0, 0, 24], text("ftypheic")), "is a HEIC image; expected PNG, JPEG or WebP"],
  [text('<?xml version="1.0"?><svg xmlns="x">'), "is an SVG image; expected PNG, JPEG or WebP"],
  [text("<!doctype html>"), 'is not a known kind of image: it begins with "<!doctype ht"; expected PNG, JPEG or WebP'],
  [joined([27, 10, 65]), 'is not a known kind of image: it begins with "\\u001b\\nA"; expected PNG, JPEG or WebP'],
  [new Uint8Array(), "is empty; expected PNG, JPEG or WebP"]
])("what is no such image is named: %#", (bytes, reason) => {
  expect(headerFailure(bytes)).toBe(reason)
})

test.each(["photo.png", "photo-420.jpg", "photo-progressive.jpg", "photo.webp"])(
  "%s cut short anywhere is one sentence, and the next image decodes",
  async (name) => {
    const whole = file(name)
    for (const share of [0.02, 0.1, 0.4, 0.7, 0.99]) {
      const { reason } = await failure(whole.subarray(0, Math.floor(share * whole.length)))
      expect(reason).toBe("is truncated: its data end early")
    }
    expect(sha256((await decode(whole)).data)).toBe(pillow[name]!.sha256)
  }
)

describe("bombs are refused by their headers", () => {
  const large = [0, 1, 0x86, 0xa0] // 100,000
  const over = "has 100,000 × 100,000 pixels, more than 67,108,864 pixels (limit image-pixels;"
  test("PNG", () => {
    const header = chunk("IHDR", [...large, ...large, 8, 2, 0, 0, 0])
    expect(headerFailure(joined([137, 80, 78, 71, 13, 10, 26, 10], header))).toStartWith(over)
  })

  test("JPEG", () => {
    const frame = [0xff, 0xc0, 0, 17, 8, 0xff, 0xff, 0xff, 0xff, 3, 1, 17, 0, 2, 17, 1, 3, 17, 1]
    const scan = [0xff, 0xda, 0, 12, 3, 1, 0, 2, 17, 3, 17, 0, 63, 0]
    expect(headerFailure(joined([0xff, 0xd8], frame, scan))).toStartWith("has 65,535 × 65,535 pixels, more than")
  })

  test("WebP", () => {
    const riff = joined(text("RIFF"), [30, 0, 0, 0], text("WEBPVP8L"), [5, 0, 0, 0, 0x2f, 0xff, 0xff, 0xff, 0x0f, 0])
    expect(headerFailure(riff)).toStartWith("has 16,384 × 16,384 pixels, more than")
  })

  test("a progressive JPEG of many scans", async () => {
    const whole = file("photo-progressive.jpg")
    const at = whole.lastIndexOf(0xda) - 1
    const scan = whole.subarray(at, whole.length - 2)
    const { reason } = await failure(joined(whole.subarray(0, at), ...Array(120).fill(scan), [0xff, 0xd9]))
    expect(reason).toStartWith("is a JPEG image of more than 100 scans (limit jpeg-scans;")
  })
})

test.each(["IDAT", "PLTE"])("a PNG image whose %s does not have its sum is damaged", async (type) => {
  const bytes = file("palette.png").slice()
  bytes[Buffer.from(bytes).indexOf(type) + 5]! ^= 1
  expect((await failure(bytes)).reason).toBe(`is damaged: its PNG chunk "${type}" does not match its checksum`)
})

test("a PNG image whose data are no packed data is damaged", async () => {
  const bytes = file("palette.png").slice()
  const at = Buffer.from(bytes).indexOf("IDAT")
  bytes.fill(0xaa, at + 4, at + 30)
  const length = new DataView(bytes.buffer).getUint32(at - 4)
  new DataView(bytes.buffer).setUint32(at + 4 + length, crc32(bytes.subarray(at, at + 4 + length)))
  for (let again = 0; again < 3; again++) {
    expect((await failure(bytes)).reason).toBe("is damaged: its PNG data cannot be unpacked")
    expect(sha256((await decode(file("rgb.png"))).data)).toBe(pillow["rgb.png"]!.sha256)
  }
})

test("a WebP image whose parts are of another size than the whole is damaged", async () => {
  const bytes = file("rgba-lossy.webp").slice()
  expect(Buffer.from(bytes).indexOf("VP8X")).toBe(12)
  bytes[24]! += 1
  expect((await failure(bytes)).reason).toBe("is damaged: its WebP data cannot be decoded")
})

test("orientations that make no sense are no orientation", async () => {
  const bytes = file("turned-6.jpg").slice()
  const at = Buffer.from(bytes).indexOf("Exif\0\0") + 6
  const broken = bytes.slice()
  broken.fill(0xff, at + 4, at + 8) // the directory is past the end
  expect(Effect.runSync(headerOf(broken, "x")).orientation).toBe(1)
  const nine = bytes.slice()
  nine[at + 18] = nine[at + 19] = 9
  expect(Effect.runSync(headerOf(nine, "x")).orientation).toBe(1)
})

describe("JPEG images with a lot around little", () => {
  const photo = file("photo-restarts.jpg")
  const expected = pillow["photo-restarts.jpg"]!.sha256

  test("thousands of segments of EXIF before the size", async () => {
    const exif = joined([0xff, 0xe1, 0, 14], text("Exif\0\0MM\0*\0\0"))
    const { data } = await decode(joined(photo.subarray(0, 2), ...Array(5_000).fill(exif), photo.subarray(2)))
    expect(sha256(data)).toBe(expected)
  })

  test("a directory of EXIF that says it has 65,535 entries", async () => {
    const entries = joined(text("Exif\0\0MM\0*\0\0\0\b"), [0xff, 0xff], new Uint8Array(600))
    const segment = joined([0xff, 0xe1, (entries.length + 2) >> 8, (entries.length + 2) & 0xff], entries)
    expect(sha256((await decode(joined(photo.subarray(0, 2), segment, photo.subarray(2)))).data)).toBe(expected)
  })

  test("thousands of restart markers where the scan ends: pixels or one sentence", async () => {
    const restarts = Uint8Array.from({ length: 20_000 }, (_, i) => (i % 2 === 0 ? 0xff : 0xd0 + ((i >> 1) & 7)))
    const result = await Effect.runPromise(
      Effect.result(decodedImage(joined(photo.subarray(0, -2), restarts, photo.subarray(-2)), "photo"))
    )
    if (result._tag === "Success") expect(result.success.data.length).toBe(67 * 45 * 3)
    else expect(result.failure.reason).toStartWith("is damaged")
  })
})
