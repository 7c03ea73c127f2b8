/** PNGs that are encoded here, by every filter and colour type, come back as the greys they were made of. */
import { expect, test } from "bun:test"
import { deflateSync } from "node:zlib"
import { greysOfPng } from "../../examples/browser/png.ts"

const SIDE = 28
const greys = Uint8ClampedArray.from({ length: SIDE * SIDE }, (_, i) => (i * i * 7 + 13 * (i >> 3)) % 256)

const chunk = (type: string, data: Uint8Array): Buffer => {
  const head = Buffer.alloc(8)
  head.writeUInt32BE(data.length)
  head.write(type, 4, "latin1")
  return Buffer.concat([head, data, Buffer.alloc(4)])
}

const header = (side: number, depth: number, type: number) => {
  const data = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, depth, type, 0, 0, 0])
  data.writeUInt32BE(side, 0)
  data.writeUInt32BE(side, 4)
  return chunk("IHDR", data)
}

/** What a filter predicts of a byte, from its neighbours (PNG, §9). */
const predictions: ReadonlyArray<(left: number, up: number, corner: number) => number> = [
  () => 0,
  (left) => left,
  (_, up) => up,
  (left, up) => Math.floor((left + up) / 2),
  (left, up, corner) => {
    const distance = (value: number) => Math.abs(left + up - corner - value)
    // of equals the first
    return [left, up, corner].reduce((best, value) => (distance(value) < distance(best) ? value : best))
  }
]

const encoded = (channels: number, type: number, filterOf: (row: number) => number, parts = 1): Uint8Array => {
  const stride = SIDE * channels
  // other channels hold other numbers, so that one taken for the grey would be seen
  const bytes = Array.from(
    { length: SIDE * stride },
    (_, i) => (greys[Math.floor(i / channels)]! + (i % channels) * 5) % 256
  )
  const at = (x: number, y: number) => (x < 0 || y < 0 ? 0 : bytes[y * stride + x]!)
  const rows = Array.from({ length: SIDE }, (_, y) => {
    const predicted = predictions[filterOf(y)]!
    const row = Array.from({ length: stride }, (_, x) => {
      const [left, up, corner] = [at(x - channels, y), at(x, y - 1), at(x - channels, y - 1)]
      return (at(x, y) - predicted(left, up, corner) + 256) % 256
    })
    return [filterOf(y), ...row]
  })
  const data = deflateSync(Uint8Array.from(rows.flat()))
  const size = Math.ceil(data.length / parts)
  const pieces = Array.from({ length: parts }, (_, i) => chunk("IDAT", data.subarray(i * size, (i + 1) * size)))
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
  return Buffer.concat([signature, header(SIDE, 8, type), ...pieces, chunk("IEND", Buffer.alloc(0))])
}

test.each([0, 1, 2, 3, 4])("filter %d", (filter) => {
  expect(greysOfPng(encoded(1, 0, () => filter))).toEqual(greys)
  expect(greysOfPng(encoded(4, 6, () => filter))).toEqual(greys)
})

test("every row by another filter, in colour, in several chunks", () => {
  expect(greysOfPng(encoded(3, 2, (row) => row % 5, 3))).toEqual(greys)
  expect(greysOfPng(encoded(2, 4, (row) => (row * 3) % 5, 2))).toEqual(greys)
})

test("what is another image is told with what was found", () => {
  expect(() => greysOfPng(new TextEncoder().encode("no image, but long enough to be one"))).toThrow("found no PNG")
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
  const other = Buffer.concat([signature, header(32, 16, 2)])
  expect(() => greysOfPng(other)).toThrow("found a PNG of 32 × 32, 16 bits, colour type 2; expected 28 × 28")
})

test("of rows that are more or fewer than those of the image no byte is unpacked in vain", () => {
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
  for (const size of [10, 50_000_000]) {
    const file = Buffer.concat([signature, header(SIDE, 8, 0), chunk("IDAT", deflateSync(Buffer.alloc(size)))])
    expect(() => greysOfPng(file)).toThrow(
      "found a PNG whose rows are not the 812 bytes that it says; save the drawing"
    )
  }
})
