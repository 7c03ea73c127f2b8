/** Pictures in a report. */
import { expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import { decodedImage } from "../../../../src/images/index.ts"
import { pictureOf } from "../../../../src/kinds/rows/pictures.ts"
import { platform } from "../../../../src/platform.ts"
import { drawn, pngOf } from "../../../images.ts"

const row = (image: Uint8Array | string) => ({ text: "a photo", label: "ring", where: "rows.csv:2", image })
const shown = async (image: Uint8Array | string) => {
  const uri = await Effect.runPromise(pictureOf(row(image)))
  if (uri === undefined) return undefined
  const bytes = Buffer.from(uri.replace("data:image/png;base64,", ""), "base64")
  return Effect.runPromise(decodedImage(new Uint8Array(bytes), "the picture").pipe(Effect.provide(platform)))
}

test("a small image is shown as it is, a large one at most 96 pixels a side, in its proportions", async () => {
  const small = drawn("ring", 0, 24)
  expect(await shown(small)).toEqual(await Effect.runPromise(decodedImage(small, "ring")))
  const large = await shown(pngOf(200, 100, new Uint8Array(3 * 200 * 100).fill(77)))
  expect(large).toEqual({ width: 96, height: 48, data: new Uint8Array(3 * 96 * 48).fill(77) })
})

test("an image that cannot be read any more has none", async () => {
  expect(await shown("nowhere.png")).toBeUndefined()
})
