/** Riemannian preconditioning's manners as a transform. Its numbers: the laws, and trajectories of PEFT. */
import { describe, expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import { scaleByAdam } from "../../../src/optimizers/adamw/transform.ts"
import { riemannian } from "../../../src/optimizers/riemannian/transform.ts"
import { scaleByLearningRate } from "../../../src/optimizers/schedule.ts"
import { chain } from "../../../src/optimizers/transform.ts"
import { type Trainable, tensorsOf } from "../../../src/tensors/trainable.ts"
import { describeEverywhere } from "./everywhere.ts"
import { type Matrix, random, randomMatrix } from "./matrix.ts"
import { disposeState, pairOf, type Run, takeStep } from "./tensors.ts"

/** The same values at every call; B of the first pair can be replaced. */
const tree = (firstB?: Matrix): Trainable => {
  const next = random(7)
  const pair = (out: number, columns: number, r: number, name: string, B?: Matrix) =>
    pairOf(randomMatrix(r, columns, next), B ?? randomMatrix(out, r, next), 2, name)
  const second = pair(8, 5, 3, "second")
  return {
    pairs: [pair(6, 9, 2, "first", firstB), second],
    dense: [{ name: "bias", role: "body", value: tf.tensor1d([1, -2, 3]) }]
  }
}

const values = (t: Trainable) => Promise.all(tensorsOf(t).map(async (x) => Array.from(await x.data())))

const refreshed = (params: Trainable) => {
  const transform = riemannian()
  return Effect.runPromise(transform.refresh!(transform.init(params), params))
}

describeEverywhere("riemannian", () => {
  test("dense parameters pass through unchanged", async () => {
    const params = tree()
    const { updates } = riemannian().update(tree(), await refreshed(params), params)
    expect((await values(updates)).at(-1)).toEqual([1, -2, 3])
  })

  test("B = 0: A's gradient is 0 there and stays 0, B's is scaled", async () => {
    const params = tree(Array.from({ length: 6 }, () => [0, 0]))
    const gradients = tree()
    const [first, second] = gradients.pairs
    const start = { ...gradients, pairs: [{ ...first!, A: tf.zerosLike(first!.A) }, second!] }
    const { updates } = riemannian().update(start, await refreshed(params), params)
    const [dA, dB] = await values(updates)
    expect(dA!.every((x) => x === 0)).toBe(true)
    expect(dB!.every((x) => Number.isFinite(x))).toBe(true)
    expect(dB!.some((x) => x !== 0)).toBe(true)
  })

  test("a factor that is not finite stays in its pair; NaN shows in its health", async () => {
    const run = async (params: Trainable) => {
      const state = await refreshed(params)
      const { updates } = riemannian().update(tree(), state, params)
      const [, , ...others] = await values(updates)
      return { others, smallest: await state.smallest!.data() }
    }
    const expected = await run(tree())
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const found = await run(tree(Array.from({ length: 6 }, () => [1, bad])))
      expect(found.others).toEqual(expected.others)
      expect(found.smallest[1]).toBe(expected.smallest[1]!)
      if (Number.isNaN(bad)) expect(found.smallest[0]).toBeNaN()
    }
  })

  test("health is λ_min(BᵀB) and δ of each site", async () => {
    const transform = riemannian({ damping: 1e-2 })
    const params: Trainable = { pairs: [pairOf([[1, 0]], [[3], [4]], 1, "only")], dense: [] }
    expect(transform.health!(transform.init(params), params)).toEqual([])
    const state = await Effect.runPromise(transform.refresh!(transform.init(params), params))
    const [health] = transform.health!(state, params)
    expect(health).toMatchObject({ sites: ["only"], damping: 1e-2 })
    expect((await health!.smallest.data())[0]).toBeCloseTo(25, 4)
  })

  test("no tensor and no buffer is left behind over 50 steps", async () => {
    const optimizer = chain(riemannian(), scaleByAdam(), scaleByLearningRate(1e-3))
    const [gradients, params] = [tree(), tree()]
    let run: Run = { params, state: optimizer.init(params) }
    run = await takeStep(optimizer, run, gradients)
    const { numTensors, numDataBuffers, numBytes } = tf.memory()
    for (let i = 0; i < 50; i++) run = await takeStep(optimizer, run, gradients)
    const after = tf.memory()
    expect([after.numTensors, after.numDataBuffers, after.numBytes]).toEqual([numTensors, numDataBuffers, numBytes])
    disposeState(run.state)
  })
})

describe("riemannian", () => {
  test("update and direction before refresh say what to do", () => {
    const transform = riemannian()
    const params = tree()
    const state = transform.init(params)
    expect(() => transform.update(params, state, params)).toThrow(/riemannian: .*run refresh\(state, params\)/)
    expect(() => transform.direction!(params, state, params)).toThrow(/run refresh\(state, params\)/)
  })
})
