/** The fingerprint of a base: the same for the same weights on every backend, another for any other. */
import { expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import { fingerprintOf } from "../../../src/layers-model/adapter-record.ts"
import { describeOnBoth } from "../../backends.ts"
import { convnet } from "./networks.ts"

/** A model that is its weights. */
const holding = (...weights: ReadonlyArray<tf.Tensor>) =>
  Effect.runPromise(fingerprintOf({ base: { name: "m", getWeights: () => weights } as unknown as tf.LayersModel }))

const numbers = Float32Array.from({ length: 24 }, (_, i) => Math.fround(Math.sin(i)))
const shaped = (shape: Array<number>, values: Float32Array = numbers) => tf.tensor(values, shape)

const changed = (at: number, bits: (word: number) => number): Float32Array => {
  const copy = numbers.slice()
  const words = new Int32Array(copy.buffer)
  words[at] = bits(words[at]!)
  return copy
}

test("shape, order, division and every bit count", async () => {
  await tf.setBackend("cpu")
  const swapped = numbers.slice()
  ;[swapped[3], swapped[17]] = [swapped[17]!, swapped[3]!]
  const others = [
    await holding(shaped([4, 6])),
    await holding(shaped([6, 4])),
    await holding(shaped([24])),
    await holding(shaped([24, 1])),
    await holding(shaped([3, 4], numbers.slice(0, 12)), shaped([3, 4], numbers.slice(12))),
    await holding(shaped([3, 4], numbers.slice(12)), shaped([3, 4], numbers.slice(0, 12))),
    await holding(shaped([4, 6], swapped)),
    ...(await Promise.all(
      Array.from({ length: 31 }, (_, bit) =>
        holding(
          shaped(
            [4, 6],
            changed(bit % 24, (word) => word ^ (1 << bit))
          )
        )
      )
    ))
  ]
  expect(new Set(others).size).toBe(others.length)
  expect(others.every((one) => /^[0-9a-f]{16}$/.test(one))).toBe(true)
  // each half tells them apart by itself: there are two
  for (const half of [0, 8]) expect(new Set(others.map((one) => one.slice(half, half + 8))).size).toBe(others.length)
})

describeOnBoth(() => {
  test("a model's is what it was when this was written", async () => {
    expect(await Effect.runPromise(fingerprintOf({ base: convnet() }))).toBe("84fb171f2347db30")
    expect(await Effect.runPromise(fingerprintOf({ base: convnet(2) }))).not.toBe("84fb171f2347db30")
  })
})
