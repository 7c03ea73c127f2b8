/** Lion against its definition, step by step in float64; what it does with numbers that are not finite; and inside LoRA-Pro. */
import { expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import {
  chain,
  lion,
  loraPro,
  scaleByLearningRate,
  scaleByLion,
  type Transform
} from "../../../src/optimizers/index.ts"
import { tensorsOf } from "../../../src/tensors/trainable.ts"
import { describeOnEach } from "../../backends.ts"
import { expectNoLeak } from "../../setup.ts"
import { combine, deviation, type Matrix, make, random, randomMatrix } from "./matrix.ts"
import { disposeState, matrixOf, pairOf, type Run, takeStep, tensorOf, treeOf } from "./tensors.ts"

// float32 roundings of a sum, over the steps
const FLOAT32 = 2e-6
const STEPS = 12

const gradientsOf = (seed: number): ReadonlyArray<Matrix> => {
  const next = random(seed)
  return Array.from({ length: STEPS }, () => randomMatrix(2, 5, next))
}

/** A after each step, where B has gradients of 0. */
const trajectory = async (transform: Transform, start: Matrix, gradients: ReadonlyArray<Matrix>) => {
  const B = make(3, 2, () => 0)
  const params = treeOf(pairOf(start, B))
  let run: Run = { params, state: transform.init(params) }
  const out: Array<Matrix> = []
  for (const g of gradients) {
    const gradient = treeOf(pairOf(g, B))
    run = await takeStep(transform, run, gradient)
    tf.dispose([...tensorsOf(gradient)])
    out.push(await matrixOf(run.params.pairs[0]!.A))
  }
  tf.dispose([...tensorsOf(run.params)])
  disposeState(run.state)
  return out
}

describeOnEach(() => {
  for (const { b1, b2, weightDecay } of [
    { b1: 0.9, b2: 0.99, weightDecay: 0 },
    { b1: 0.6, b2: 0.8, weightDecay: 0.5 }
  ]) {
    test(`β = (${b1}, ${b2}), λ = ${weightDecay}: the paper's Algorithm 2, and nothing is left behind`, () =>
      expectNoLeak(async () => {
        const gradients = gradientsOf(1)
        const start = randomMatrix(2, 5, random(2))
        const found = await trajectory(lion({ b1, b2, weightDecay, learningRate: 0.1 }), start, gradients)
        let [p, m] = [start, make(2, 5, () => 0)]
        gradients.forEach((g, k) => {
          const c = combine([b1, m], [1 - b1, g])
          const before = p
          p = make(2, 5, (i, j) => before[i]![j]! - 0.1 * (Math.sign(c[i]![j]!) + weightDecay * before[i]![j]!))
          m = combine([b2, m], [1 - b2, g])
          expect(deviation(found[k]!, p)).toBeLessThan(FLOAT32)
        })
      }))
  }

  test("entries without a gradient stay where they are", async () => {
    const start = randomMatrix(2, 5, random(3))
    const [found] = await trajectory(lion({ learningRate: 0.1 }), start, [make(2, 5, (i) => i)])
    expect(deviation([found![0]!], [start[0]!])).toBeLessThan(FLOAT32)
    expect(deviation([found![1]!], [start[1]!.map((x) => x - 0.1)])).toBeLessThan(FLOAT32)
  })

  for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
    test(`a gradient of ${bad} is no step of ordinary size`, async () => {
      const update = tf.tidy(() => {
        const params = treeOf(
          pairOf(
            make(2, 5, () => 1),
            make(3, 2, () => 1)
          )
        )
        const gradient = treeOf(
          pairOf(
            make(2, 5, (i, j) => (i === 1 && j === 2 ? bad : 1)),
            make(3, 2, () => 1)
          )
        )
        const transform = scaleByLion()
        return tf.keep(transform.update(gradient, transform.init(params), params).updates.pairs[0]!.A)
      })
      const values = [...(await update.data())]
      update.dispose()
      expect(values.map(Number.isFinite)).toEqual(values.map((_, i) => i !== 7))
    })
  }
})

test("inside LoRA-Pro every entry of the equivalent gradient counts alike, however large", async () => {
  await tf.setBackend("cpu")
  const next = random(4)
  const [A, B] = [randomMatrix(2, 5, next), randomMatrix(6, 2, next)]
  const gradient = () => treeOf({ ...pairOf(randomMatrix(2, 5, random(5)), randomMatrix(6, 2, random(6))) })
  const moved = async (size: number) => {
    const transform = chain(loraPro({ inner: scaleByLion() }), scaleByLearningRate(0.1))
    const params = treeOf(pairOf(A, B))
    const own = gradient().pairs[0]!
    const scaled = treeOf({ ...own, A: tf.mul(own.A, size), B: tf.mul(own.B, size) })
    const run = await takeStep(transform, { params, state: transform.init(params) }, scaled)
    return matrixOf(run.params.pairs[0]!.A)
  }
  const [one, thousand] = [await moved(1), await moved(1000)]
  expect(deviation(one, thousand)).toBeLessThan(1e-5)
  expect(deviation(one, await matrixOf(tensorOf(A)))).toBeGreaterThan(1e-3)
})
