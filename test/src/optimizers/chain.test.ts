/** The parts that are composed: chain, clip, decay, learning rate, partition. */
import { beforeAll, describe, expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import { clipByGlobalNorm, globalNorm } from "../../../src/optimizers/clip.ts"
import { addDecayedWeights, addProductDecay } from "../../../src/optimizers/decay.ts"
import { scaleByLearningRate } from "../../../src/optimizers/schedule.ts"
import { chain, partition, type Transform } from "../../../src/optimizers/transform.ts"
import { gramsOnDevice, gramsOnHost } from "../../../src/optimizers/whitening.ts"
import { type DenseParameter, mapTensors, type Trainable, tensorsOf } from "../../../src/tensors/trainable.ts"
import { combine, fromFlat, identity, maxAbs, random, randomMatrix, times, transpose } from "./matrix.ts"
import { pairOf, takeStep, treeOf } from "./tensors.ts"

beforeAll(async () => {
  await tf.setBackend("cpu")
})

const dense = (name: string, role: DenseParameter["role"], ...values: ReadonlyArray<number>): DenseParameter => ({
  name,
  role,
  value: tf.tensor1d([...values])
})

/** Two pairs of 1×1 factors and three dense tensors, body and head mixed. */
const tree = (factor = 1): Trainable => ({
  pairs: [pairOf([[factor]], [[2 * factor]], 2, "p"), pairOf([[3 * factor]], [[4 * factor]], 2, "q")],
  dense: [
    dense("head.weight", "head", 5 * factor),
    dense("norm", "body", 6 * factor),
    dense("head.bias", "head", 7 * factor)
  ]
})

const values = async (t: Trainable): Promise<ReadonlyArray<number>> =>
  (await Promise.all(tensorsOf(t).map((tensor) => tensor.data()))).flatMap((data) => Array.from(data))

const apply = async (transform: Transform, updates: Trainable, params: Trainable) =>
  values(transform.update(updates, transform.init(params), params).updates)

const times10: Transform = {
  init: () => 0,
  update: (updates, state) => ({
    updates: mapTensors((u) => tf.mul(u, 10), updates),
    state: (state as number) + 1
  })
}

describe("chain", () => {
  test("runs in order and keeps one state per link", async () => {
    const transform = chain(times10, addDecayedWeights(1), scaleByLearningRate(0.5))
    const params = tree()
    const { updates, state } = transform.update(tree(), transform.init(params), params)
    expect(await values(updates)).toEqual([1, 2, 3, 4, 5, 6, 7].map((x) => -0.5 * 11 * x))
    expect(state).toEqual([1, null, 1])
  })

  test("refresh, health and learning rate come through, from inside a partition too", async () => {
    const health = [{ sites: ["p"], smallest: tf.tensor1d([4]), damping: 1 }]
    const probe: Transform = {
      init: () => 0,
      update: (updates, state) => ({ updates, state }),
      refresh: (state) => Effect.succeed((state as number) + 1),
      health: () => health
    }
    const body = chain(
      probe,
      scaleByLearningRate((step) => step / 10)
    )
    const transform = chain(clipByGlobalNorm(1), partition({ body, head: scaleByLearningRate(7) }))
    const params = tree()
    const state = await Effect.runPromise(transform.refresh!(transform.init(params), params))
    expect(state[1]).toEqual([[1, 0], 0])
    expect(transform.health!(state, params)).toEqual(health)
    expect(transform.learningRate!(state)).toBe(0.1)
    expect(transform.learningRate!(transform.update(tree(), state, params).state)).toBe(0.2)
  })
})

describe("scaleByLearningRate", () => {
  test("steps are counted from 1, and the sign turns", async () => {
    const transform = scaleByLearningRate((step) => step)
    let state = transform.init(tree())
    for (const step of [1, 2, 3]) {
      const next = transform.update(treeOf(pairOf([[1]], [[2]])), state, tree())
      expect(await values(next.updates)).toEqual([-step, -2 * step])
      state = next.state
    }
  })
})

describe("clipByGlobalNorm", () => {
  const norm = Math.sqrt([1, 2, 3, 4, 5, 6, 7].reduce((sum, x) => sum + x * x, 0))

  test("over all trainables together, by PyTorch's factor", async () => {
    const found = await apply(clipByGlobalNorm(1), tree(), tree())
    found.forEach((value, i) => {
      expect(value).toBeCloseTo((i + 1) / (norm + 1e-6), 6)
    })
  })

  test("a smaller norm is left alone", async () => {
    expect(await apply(clipByGlobalNorm(100), tree(), tree())).toEqual([1, 2, 3, 4, 5, 6, 7])
  })

  test("the norm before clipping is in the state", async () => {
    const transform = clipByGlobalNorm(1)
    const { state } = transform.update(tree(), transform.init(tree()), tree())
    expect((await state.norm.data())[0]).toBeCloseTo(norm, 5)
  })

  test("no gradient, no direction: 0 stays 0 and finite", async () => {
    expect(await apply(clipByGlobalNorm(1), tree(0), tree())).toEqual([0, 0, 0, 0, 0, 0, 0])
    expect((await globalNorm({ pairs: [], dense: [] }).data())[0]).toBe(0)
  })

  test("a million equal entries: two-stage sums keep six digits", async () => {
    const big = treeOf({ ...pairOf([[0]], [[0]]), A: tf.fill([1000, 1000], 0.1) })
    expect((await globalNorm(big).data())[0]! / 100).toBeCloseTo(1, 5)
  })
})

describe("weight decay", () => {
  test("decoupled: every tensor shrinks by 1 − ηλ", async () => {
    const transform = chain(addDecayedWeights(0.1), scaleByLearningRate(0.5))
    const params = tree()
    const next = await takeStep(transform, { params, state: transform.init(params) }, tree(0))
    const found = await values(next.params)
    found.forEach((value, i) => {
      expect(value).toBeCloseTo((i + 1) * (1 - 0.05), 6)
    })
  })

  test("rate 0 adds nothing", () => {
    const updates = tree()
    expect(addDecayedWeights(0).update(updates, null, tree()).updates).toBe(updates)
    expect(addProductDecay(0, 1).update(updates, 0, tree()).updates).toBe(updates)
  })

  test("of the product: s·BA shrinks by 1 − ηλ, and so does every dense tensor", async () => {
    const transform = chain(
      scaleByLearningRate(0.5),
      addProductDecay(0.1, (step) => (step === 1 ? 0.5 : 1))
    )
    const params = tree()
    let run = await takeStep(transform, { params, state: transform.init(params) }, tree(0))
    const [A, B, , , head] = await values(run.params)
    expect(A! * B!).toBeCloseTo(1 * 2 * 0.95, 6)
    expect(B! / A!).toBeCloseTo(2, 6)
    expect(head).toBeCloseTo(5 * 0.95, 6)
    run = await takeStep(transform, run, tree(0))
    const [A2, B2] = await values(run.params)
    expect(A2! * B2!).toBeCloseTo(2 * 0.95 * 0.9, 6)
  })

  test("of the product: it adds to the step, it does not replace it", async () => {
    const found = await apply(chain(scaleByLearningRate(0.5), addProductDecay(0.1, 0.5)), tree(), tree())
    expect(found[0]).toBeCloseTo(-0.5 + Math.sqrt(0.95) - 1, 6)
  })
})

describe("partition", () => {
  const mark = (factor: number): Transform => ({
    init: (params) => params.dense.length,
    update: (updates, state) => ({ updates: mapTensors((u) => tf.mul(u, factor), updates), state })
  })

  test("pairs and body on one side, heads on the other, each in its place", async () => {
    const transform = partition({ body: mark(10), head: mark(-1) })
    expect(transform.init(tree())).toEqual([1, 2])
    expect(await apply(transform, tree(), tree())).toEqual([10, 20, 30, 40, -5, 60, -7])
  })

  test("dense takes the body's dense tensors from the pairs' transform", async () => {
    const transform = partition({ body: mark(10), dense: mark(100), head: mark(-1) })
    expect(transform.init(tree())).toEqual([0, 1, 2])
    expect(await apply(transform, tree(), tree())).toEqual([10, 20, 30, 40, -5, 600, -7])
  })

  test("each side gets its own part of the parameters", async () => {
    const transform = partition({ body: addDecayedWeights(1), head: addDecayedWeights(-1) })
    expect(await apply(transform, tree(0), tree())).toEqual([1, 2, 3, 4, -5, 6, -7])
  })
})

describe("Gram matrices", () => {
  test("both ways give BᵀB and AAᵀ in the order of the pairs; the host way to float64", async () => {
    const next = random(5)
    const pairs = [pairOf(randomMatrix(3, 7, next), randomMatrix(11, 3, next)), pairOf([[2, 1]], [[1], [3]])]
    const host = await Effect.runPromise(gramsOnHost(pairs))
    const device = await Effect.runPromise(gramsOnDevice(pairs))
    for (const [i, pair] of pairs.entries()) {
      const [r, columns] = pair.A.shape
      const A = fromFlat(await pair.A.data(), r, columns)
      const B = fromFlat(await pair.B.data(), pair.B.shape[0], r)
      for (const [grams, bound] of [
        [host[i]!, 1e-14],
        [device[i]!, 1e-5]
      ] as const) {
        expect(maxAbs(combine([1, fromFlat(grams.BtB, r, r)], [-1, times(transpose(B), B)]))).toBeLessThan(bound)
        expect(maxAbs(combine([1, fromFlat(grams.AAt, r, r)], [-1, times(A, transpose(A))]))).toBeLessThan(bound)
      }
    }
    expect(fromFlat(host[1]!.BtB, 1, 1)).toEqual(combine([10, identity(1)]))
  })

  test("the device way leaves no tensor behind", async () => {
    const pair = pairOf([[1, 2]], [[3], [4]])
    const { numTensors } = tf.memory()
    await Effect.runPromise(gramsOnDevice([pair]))
    expect(tf.memory().numTensors).toBe(numTensors)
  })
})
