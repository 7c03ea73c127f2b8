/** Adam and momentum against their definitions, step by step in float64. */
import { beforeAll, describe, expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import "@tensorflow/tfjs-backend-wasm"
import { scaleByAdam } from "../../../src/optimizers/adamw/transform.ts"
import { trace } from "../../../src/optimizers/sgd/transform.ts"
import type { Transform } from "../../../src/optimizers/transform.ts"
import { combine, deviation, type Matrix, make, random, randomMatrix } from "./matrix.ts"
import { disposeState, matrixOf, pairOf, treeOf } from "./tensors.ts"

// Float32 accumulation over the steps: about √steps roundings of 6e-8, and one division.
const FLOAT32 = 2e-6

const STEPS = 30

/** The updates that a transform makes of a sequence of gradients of A [2, 5] (B gets the same, transposed in shape only). */
const updatesOf = async (transform: Transform, gradients: ReadonlyArray<Matrix>): Promise<ReadonlyArray<Matrix>> => {
  const B = make(3, 2, () => 0)
  const params = treeOf(pairOf(gradients[0]!, B))
  let state = transform.init(params)
  const out: Array<Matrix> = []
  for (const g of gradients) {
    const next = transform.update(treeOf(pairOf(g, B)), state, params)
    state = next.state
    out.push(await matrixOf(next.updates.pairs[0]!.A))
  }
  disposeState(state)
  return out
}

const gradientsOf = (seed: number, size: number): ReadonlyArray<Matrix> => {
  const next = random(seed)
  return Array.from({ length: STEPS }, () => randomMatrix(2, 5, next, size))
}

for (const backend of ["cpu", "wasm"]) {
  describe(`scaleByAdam on ${backend}`, () => {
    beforeAll(async () => {
      await tf.setBackend(backend)
    })

    for (const { b1, b2, eps, size } of [
      { b1: 0.9, b2: 0.999, eps: 1e-8, size: 1 },
      { b1: 0.9, b2: 0.999, eps: 1e-8, size: 1e-6 },
      { b1: 0.5, b2: 0.9, eps: 1e-2, size: 1e-2 },
      { b1: 0, b2: 0.99, eps: 1e-8, size: 100 }
    ]) {
      test(`β = (${b1}, ${b2}), ε = ${eps}, gradients of ${size}`, async () => {
        const gradients = gradientsOf(1, size)
        const found = await updatesOf(scaleByAdam({ b1, b2, eps }), gradients)
        let m = make(2, 5, () => 0)
        let v = m
        gradients.forEach((g, k) => {
          const t = k + 1
          m = combine([b1, m], [1 - b1, g])
          v = make(2, 5, (i, j) => b2 * v[i]![j]! + (1 - b2) * g[i]![j]! ** 2)
          const u = make(2, 5, (i, j) => m[i]![j]! / (1 - b1 ** t) / (Math.sqrt(v[i]![j]! / (1 - b2 ** t)) + eps))
          expect(deviation(found[k]!, u)).toBeLessThan(FLOAT32)
        })
      })
    }

    test("the first step is the sign of the gradient, and 0 where the gradient is 0", async () => {
      const [found] = await updatesOf(
        scaleByAdam(),
        [[[3, -0.001, 0, 1e-4, -7]]].map((g) => [...g, [0, 0, 0, 0, 0]])
      )
      expect(
        deviation(found!, [
          [1, -1, 0, 1, -1],
          [0, 0, 0, 0, 0]
        ])
      ).toBeLessThan(2e-4) // ε = 1e-8 beside gradients of 1e-4
    })

    test("defaults are β = (0.9, 0.999), ε = 1e-8", async () => {
      const gradients = gradientsOf(2, 1e-3)
      const explicit = await updatesOf(scaleByAdam({ b1: 0.9, b2: 0.999, eps: 1e-8 }), gradients)
      expect(await updatesOf(scaleByAdam(), gradients)).toEqual(explicit)
    })
  })

  describe(`trace on ${backend}`, () => {
    test("t ← g + μt", async () => {
      const gradients = gradientsOf(3, 1)
      const found = await updatesOf(trace({ decay: 0.9 }), gradients)
      let t = make(2, 5, () => 0)
      gradients.forEach((g, k) => {
        t = combine([1, g], [0.9, t])
        expect(deviation(found[k]!, t)).toBeLessThan(FLOAT32)
      })
    })

    test("the velocity outlives the update", async () => {
      const tree = treeOf(pairOf([[1, 2]], [[3]]))
      const transform = trace({ decay: 0.5 })
      const { updates, state } = transform.update(tree, transform.init(tree), tree)
      tf.dispose([updates.pairs[0]!.A, updates.pairs[0]!.B])
      expect(await matrixOf(state[0]!)).toEqual([[1, 2]])
    })

    test("μ = 0 keeps nothing and changes nothing", () => {
      const transform = trace({ decay: 0 })
      const tree = treeOf(pairOf([[1, 2]], [[3]]))
      expect(transform.init(tree)).toEqual([])
      expect(transform.update(tree, [], tree).updates).toBe(tree)
    })
  })
}
