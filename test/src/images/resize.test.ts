/** Bytes at another size: those of Pillow's `Image.resize`, each of them. */
import { expect, test } from "bun:test"
import type { Resampling } from "../../../src/images/index.ts"
import { resized } from "../../../src/images/resize.ts"
import { json, noise, sha256 } from "./golden.ts"

interface Case {
  readonly width: number
  readonly height: number
  readonly channels: 1 | 3
  readonly toWidth: number
  readonly toHeight: number
  readonly sha256: Readonly<Record<Resampling, string>>
}

const cases: ReadonlyArray<Case> = json("resized")

test("there are cases", () => {
  expect(cases.length).toBeGreaterThan(20)
})

for (const { width, height, channels, toWidth, toHeight, sha256: digests } of cases) {
  const image = { width, height, channels, data: noise(width * height * channels, width) }
  const size = { width: toWidth, height: toHeight }
  test(`${width} × ${height} to ${toWidth} × ${toHeight}, ${channels} channels: Pillow's bytes by every filter`, () => {
    for (const [name, digest] of Object.entries(digests)) {
      expect([name, sha256(resized(image, size, name as Resampling).data)]).toEqual([name, digest])
    }
  })
}

test("a part of a resized image is that part of the whole", () => {
  const image = { width: 41, height: 60, channels: 3 as const, data: noise(41 * 60 * 3, 5) }
  const window = { left: 3, top: 5, width: 7, height: 9 }
  // the last is as wide as it was; of the others some begin with columns
  for (const size of [
    { width: 17, height: 90 },
    { width: 30, height: 20 },
    { width: 41, height: 19 }
  ]) {
    for (const resampling of ["nearest", "bilinear", "lanczos"] as const) {
      const whole = resized(image, size, resampling)
      const expected = Array.from({ length: window.height }, (_, y) => {
        const from = ((window.top + y) * size.width + window.left) * 3
        return [...whole.data.subarray(from, from + window.width * 3)]
      }).flat()
      expect([...resized(image, size, resampling, window).data]).toEqual(expected)
    }
  }
})

test("the middle of a strip that would become billions of pixels is computed alone", () => {
  const image = { width: 1, height: 100_000, channels: 1 as const, data: noise(100_000, 1) }
  const height = 22_400_000_000
  const window = { left: 0, top: height / 2, width: 4, height: 4 }
  for (const resampling of ["nearest", "bicubic"] as const) {
    const { data } = resized(image, { width: 224_000, height }, resampling, window)
    expect([...data]).toEqual(Array(16).fill(image.data[50_000]))
  }
})
