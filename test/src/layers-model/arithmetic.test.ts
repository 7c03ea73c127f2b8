/** Arithmetic of adapters: laws over the weights that come of it, θ = θ₀ + Σ wₖ(θₖ − θ₀). */
import { beforeAll, describe, expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import { type AdaptedLayersModel, type AdaptOptionsInput, adapt, loadAdapter } from "../../../src/layers-model/index.ts"
import { expectClose, relativeError } from "../../setup.ts"
import { convnet, moved, numbers, siamese, uniform, weightsOf } from "./networks.ts"

/** Weights of the size of 1 in float32, summed in another order. */
const WEIGHTS = 1e-6

beforeAll(() => void tf.setBackend("cpu"))

/** The weights of the model with this adapter on. */
const merged = async (adapted: AdaptedLayersModel, name: string | null): Promise<ReadonlyArray<number>> => {
  const before = adapted.active
  adapted.use(name)
  const model = await adapted.model()
  const weights = await weightsOf(model)
  model.dispose()
  adapted.use(before)
  return weights
}

const three = async (
  first: AdaptOptionsInput,
  second: AdaptOptionsInput,
  model = convnet()
): Promise<AdaptedLayersModel> => {
  const adapted = await adapt(model, { ...first, name: "a" })
  await adapted.add("b", second)
  for (const [i, name] of ["a", "b"].entries()) {
    adapted.use(name)
    moved(adapted, 10 * (i + 1), 0.3)
  }
  return adapted
}

/** θ₀ + Σ w(θ − θ₀), from merged weights. */
const expected = async (adapted: AdaptedLayersModel, weights: Readonly<Record<string, number>>) => {
  const base = await merged(adapted, null)
  const sum = [...base]
  for (const [name, weight] of Object.entries(weights)) {
    const own = await merged(adapted, name)
    own.forEach((value, i) => {
      sum[i]! += weight * (value - base[i]!)
    })
  }
  return sum
}

const pairs: ReadonlyArray<readonly [name: string, first: AdaptOptionsInput, second: AdaptOptionsInput]> = [
  ["lora with lora", { rank: 2 }, { rank: 1, alpha: 3 }],
  ["at different sites", { rank: 2, targets: ["first"] }, { rank: 3, targets: ["second", "logits"] }],
  ["of different ranks at different sites", { rank: 1, overrides: [{ targets: ["first"], rank: 3 }] }, { rank: 2 }],
  ["pissa with rank-stabilized", { rank: 2, init: { kind: "pissa" } }, { rank: 2, scaling: "rank-stabilized" }],
  ["with a head", { rank: 2, head: ["logits"] }, { rank: 2, head: ["logits"] }],
  [
    "with modules to save",
    { rank: 2, targets: ["first"], modulesToSave: ["logits"] },
    { rank: 2, targets: ["second"] }
  ],
  ["adalora with lora", { method: "adalora", rank: 2 }, { rank: 2 }],
  ["vera with lora", { method: "vera", rank: 40 }, { rank: 2 }],
  ["loha with lora", { method: "loha", rank: 2 }, { rank: 2 }],
  ["full with full", { method: "full" }, { method: "full", targets: ["first"] }],
  ["head alone with lora", { method: "none", head: ["logits"] }, { rank: 2, head: ["logits"] }],
  ["heads alone", { method: "none", head: ["logits"] }, { method: "none", head: ["logits"] }]
]

describe.each(pairs.map((pair) => [...pair] as const))("%s", (_, first, second) => {
  test("a weighted sum is the sum of the effects", async () => {
    const adapted = await three(first, second)
    const weights = { a: 0.7, b: -1.3 }
    const report = await adapted.combine(weights, { name: "sum" })
    expect(report.error).toBeLessThan(1e-6) // float32's rounding of the factors
    expectClose(await merged(adapted, "sum"), await expected(adapted, weights), WEIGHTS)
    await adapted.dispose()
  })

  test("of one adapter: 1 is itself, 0 is the base, −1 takes it away again", async () => {
    const adapted = await three(first, second)
    await adapted.combine({ a: 1 }, { name: "same" })
    await adapted.combine({ a: 0 }, { name: "nothing" })
    await adapted.combine({ a: -1 }, { name: "back" })
    await adapted.combine({ a: 1, back: 1 }, { name: "there and back" })
    expectClose(await merged(adapted, "same"), await merged(adapted, "a"), WEIGHTS)
    expectClose(await merged(adapted, "nothing"), await merged(adapted, null), WEIGHTS)
    expectClose(await merged(adapted, "there and back"), await merged(adapted, null), WEIGHTS)
    expect(relativeError(await merged(adapted, "a"), await merged(adapted, null))).toBeGreaterThan(1e-2)
    await adapted.dispose()
  })

  test("what came of it is an adapter: it trains, and it is saved and loaded", async () => {
    const adapted = await three(first, second)
    await adapted.combine({ a: 1, b: 1 }, { name: "sum" })
    adapted.use("sum")
    const x = uniform([4, 8, 8, 3], 3)
    const y = tf.oneHot(tf.tensor1d([0, 1, 2, 3], "int32"), 4)
    const loaded = await loadAdapter(adapted.network.base, await adapted.files())
    expect(await numbers(loaded.predict(x))).toEqual(await numbers(adapted.predict(x)))
    const { history } = await loaded.fit(x, y, { loss: "categoricalCrossentropy", epochs: 4 })
    expect(history["loss"]!.at(-1)! as number).toBeLessThan(history["loss"]![0]! as number)
    await loaded.dispose()
    await adapted.dispose()
  })
})

describe("ranks", () => {
  test("add up, as far as W has room, without loss", async () => {
    const adapted = await three({ rank: 4 }, { rank: 3 })
    const { sites, error } = await adapted.combine({ a: 1, b: 1 }, { name: "sum" })
    // first [6, 18], second [6, 54], logits [4, 6]
    expect(sites.map(({ site, rank }) => [site, rank])).toEqual([
      ["first", 6],
      ["second", 6],
      ["logits", 4]
    ])
    expect(error).toBeLessThan(1e-6)
    expectClose(await merged(adapted, "sum"), await expected(adapted, { a: 1, b: 1 }), WEIGHTS)
  })

  test("cut: the report's error is that of the weights", async () => {
    const adapted = await three({ rank: 3 }, { rank: 3 })
    const base = await merged(adapted, null)
    const target = await expected(adapted, { a: 1, b: 1 })
    const errors: Array<number> = []
    for (const rank of [1, 2, 3, 4]) {
      const name = `rank ${rank}`
      const report = await adapted.combine({ a: 1, b: 1 }, { name, rank })
      expect(Math.max(...report.sites.map((site) => site.rank))).toBe(rank)
      const found = await merged(adapted, name)
      const size = (x: ReadonlyArray<number>, y: ReadonlyArray<number>) =>
        Math.hypot(...x.map((value, i) => value - y[i]!))
      expect(report.error).toBeCloseTo(size(found, target) / size(target, base), 5)
      errors.push(report.error)
    }
    expect(errors).toEqual([...errors].sort((x, y) => y - x))
    expect(errors[0]).toBeGreaterThan(errors[3]! + 0.1)
  })

  test("two adapters of one direction need no rank for the second", async () => {
    const adapted = await three({ rank: 2 }, { rank: 2 })
    await adapted.combine({ a: 2 }, { name: "twice" })
    const { error } = await adapted.combine({ a: 1, twice: -3 }, { name: "sum", rank: 2 })
    expect(error).toBeLessThan(1e-6)
  })
})

test("layers of one name in a nested model and outside keep ranks of their own", async () => {
  const adapted = await adapt(siamese(), { rank: 1, targets: ["encoder.code"], name: "a" })
  await adapted.add("b", { rank: 3, targets: ["code"], exclude: ["encoder.**"] })
  for (const name of ["a", "b"]) {
    adapted.use(name)
    moved(adapted)
  }
  await adapted.combine({ a: 1, b: 1 }, { name: "sum" })
  await adapted.combine({ b: 1 }, { name: "alone" })
  const sitesOf = (name: string) => {
    adapted.use(name)
    return adapted.adapted.trainable.pairs.map(({ site, A }) => [site.name, A.shape[0]])
  }
  expect(sitesOf("sum")).toEqual([
    ["encoder.code", 1],
    ["code", 3]
  ])
  expect(sitesOf("alone")).toEqual([["code", 3]])
  expectClose(await merged(adapted, "sum"), await expected(adapted, { a: 1, b: 1 }), WEIGHTS)
})

test("what has no sum is refused, and nothing is added", async () => {
  const adapted = await three({ rank: 2 }, { method: "dora", rank: 2 })
  await adapted.add("c", { method: "full" })
  const before = tf.memory().numTensors
  const refused = (weights: Record<string, number>, rest: object = {}) =>
    adapted.combine(weights, { name: "sum", ...rest }).then(
      () => "nothing",
      (error: Error) => error.message
    )
  expect(await refused({ a: 1, b: 1 })).toContain('"b" is of method "dora", whose weights are not a linear function')
  expect(await refused({ a: 1, c: 1 })).toContain(
    'found "a" (lora), "c" (full); expected either only adapters with factors'
  )
  expect(await refused({})).toContain("weights: found none")
  expect(await refused({ a: Number.NaN })).toContain("weights.a: found NaN; expected a finite number")
  expect(await refused({ z: 1 })).toContain('found no adapter "z"')
  expect(await refused({ a: 1 }, { rank: 0 })).toContain("rank: found 0")
  expect(await refused({ a: 1 }, { name: "b" })).toContain('an adapter "b" already exists')
  expect(adapted.names).toEqual(["a", "b", "c"])
  expect(tf.memory().numTensors).toBe(before)
})
