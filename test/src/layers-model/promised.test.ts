/** What a program did wrong shows the program's own lines, none of this package's or of Effect's; a bug shows all. */
import { expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import { FitError, fit } from "../../../src/layers-model/fit/index.ts"
import { promised } from "../../../src/layers-model/promised.ts"
import { adaptedBy, rowsOf, twoLayers } from "./small-models.ts"

const { x, oneHot } = rowsOf(8)

const framesOf = (error: Error): ReadonlyArray<string> =>
  error.stack!.split("\n").filter((line) => line.startsWith("    at "))

test("a failure", async () => {
  const error = await adaptedBy(twoLayers(), (adapted) => {
    const usersOwn = () => fit(adapted, x, oneHot, { loss: "meanSquaredError", epochs: -1 })
    return usersOwn().catch((thrown: unknown) => thrown)
  })
  expect(error).toBeInstanceOf(FitError)
  const { message } = error as FitError
  expect(message).toContain("epochs: found -1; expected an integer of at least 1")
  const frames = framesOf(error as FitError)
  expect(frames[0]).toMatch(/usersOwn|promised\.test\.ts/)
  const ofOthers = frames.filter((frame) => !/[\\/]test[\\/]/.test(frame))
  expect(ofOthers.filter((frame) => /[\\/]layers-model[\\/]|[\\/]effect[\\/]dist/.test(frame))).toEqual([])
  expect((error as FitError).stack).toStartWith(`FitError: ${message}`)
})

test("a bug keeps its frames, and a value that is no error is thrown as it is", async () => {
  const buggy = () => {
    throw new TypeError("a bug")
  }
  const bug = await promised(Effect.sync(buggy)).catch((thrown: unknown) => thrown)
  expect((bug as Error).stack).toContain("buggy")
  expect(await promised(Effect.fail("words")).catch((thrown: unknown) => thrown)).toBe("words")
})
