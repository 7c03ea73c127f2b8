/** Limits of images that are sent to serve: what is at a limit is taken, what is over it is refused with its name. */
import { afterAll, expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import { limits, setLimits } from "../../../src/boundary/limits.ts"
import { pixelsOf } from "../../../src/serve/predict-route.ts"

const before = Object.fromEntries(
  (["serve-images", "serve-image-pixels", "serve-request-pixels"] as const).map((name) => [name, limits[name].default])
)
afterAll(() => setLimits(before))

const asked = (...pixels: ReadonlyArray<number>) =>
  Effect.runPromise(Effect.result(pixelsOf(pixels as never, (own) => ({ pixels: own as never as number }))))

test("images, pixels of one, and pixels of all", async () => {
  setLimits({ "serve-images": 3, "serve-image-pixels": 10, "serve-request-pixels": 20 })
  expect(await asked(10, 9, 1)).toMatchObject({ _tag: "Success", success: [10, 9, 1] })
  for (const [pixels, says] of [
    [[1, 1, 1, 1], "inputs: has 4 images"],
    [[1, 11], "inputs[1]: the image has 11 pixels"],
    [[10, 10, 1], "inputs: the images have 21 pixels"]
  ] as const) {
    const result = await asked(...pixels)
    expect(JSON.stringify(result)).toContain(says)
  }
})
