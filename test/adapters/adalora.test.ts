/**
 * AdaLoRA's forward pass, penalty and gradients: PEFT's, from the golden trace. Laws of every method:
 * test/laws/adapter.laws.test.ts.
 */
import { expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import type { AdaloraOptions } from "../../adapters/adalora.ts"
import { initialRankOf } from "../../adapters/adalora.ts"
import { adalora, type SitePart } from "../../adapters/index.ts"
import { orthogonality } from "../../src/kernels/orthogonality.ts"
import { gaussian, randomStream } from "../../src/numbers/random.ts"
import { valueAndGradients } from "../../src/tensors/gradients.ts"
import { type Trainable, tensorsOf, withTensors } from "../../src/tensors/trainable.ts"
import { describeOnEach } from "../backends.ts"
import { expectClose, expectNoLeak, tolerance } from "../setup.ts"
import { baseOf, initParts, inTreeOrder, options, partsOf, sites, steps, target, treeOf, x } from "./adalora-golden.ts"

const sitePart = (part: Trainable, i: number): SitePart<AdaloraOptions> => ({ site: sites[i]!, options, part })

/** Linear, tanh, Linear. */
const forward = (parts: ReadonlyArray<Trainable>): tf.Tensor2D => {
  const [first, second] = sites.map(
    (site, i) => (input: tf.Tensor2D) => adalora.forward(sitePart(parts[i]!, i), input, baseOf(site))
  )
  return second!(tf.tanh(first!(x())))
}

const dataLoss = (parts: ReadonlyArray<Trainable>): tf.Scalar =>
  tf.mul(tf.mean(tf.square(tf.sub(forward(parts), target()))), 0.5)

const penalty = (parts: ReadonlyArray<Trainable>): tf.Scalar => adalora.penalty!(parts.map(sitePart))

const matrix = (rows: number, columns: number, seed: number): tf.Tensor2D => {
  const random = randomStream(seed, "orthogonality")
  return tf.tensor2d(
    Float32Array.from({ length: rows * columns }, () => gaussian(random)),
    [rows, columns]
  )
}

/** Rows of equal length 1, each in a direction of its own. */
const orthonormalRows = (rows: number, columns: number): tf.Tensor2D =>
  tf.slice(tf.eye(columns), [0, 0], [rows, columns])

describeOnEach(() => {
  test("the golden trace: y, loss, penalty, and the gradients of both together", async () => {
    expect(steps.length).toBe(12)
    for (const [i, step] of steps.entries()) {
      if (i === 0) continue // the parameters that it started from are not told
      const before = steps[i - 1]!
      const parts = partsOf(before.parameters, before.E_after)
      const tree = treeOf(parts)
      expectClose(await forward(parts).data(), step.y.flat(), tolerance.forward)
      expectClose(await dataLoss(parts).data(), [step.loss], tolerance.forward)
      const regulariser = options.orthogonality * step.orthogonal_regulariser
      expectClose(await penalty(parts).data(), [regulariser], tolerance.forward)

      const split = (tensors: ReadonlyArray<tf.Tensor>) => {
        const all = withTensors(tree, tensors)
        return parts.map((_, j) => ({ pairs: [all.pairs[j]!], dense: [all.dense[j]!] }))
      }
      const variables = tensorsOf(tree)
      const { gradients } = valueAndGradients(
        () => tf.add<tf.Scalar>(dataLoss(split(variables)), penalty(split(variables))),
        variables
      )
      const expected = inTreeOrder(step.gradients)
      for (const [j, gradient] of gradients.entries())
        expectClose(await gradient.data(), expected[j]!, tolerance.gradient)
    }
  })

  test("a λ of 0 leaves its triplet out of the forward pass", async () => {
    const parts = partsOf(steps[11]!.parameters, steps[11]!.E_after)
    const part = parts[0]!
    const [base, input] = [baseOf(sites[0]!), x()]
    const kept = Array.from(await part.dense[0]!.value.data()).flatMap((value, k) => (value === 0 ? [] : [k]))
    expect(kept).toEqual([0, 3])
    const { A, B, ...pair } = part.pairs[0]!
    const smaller: Trainable = {
      pairs: [{ ...pair, A: tf.gather(A, kept), B: tf.gather(B, kept, 1) }],
      dense: [{ ...part.dense[0]!, value: tf.gather(part.dense[0]!.value, kept) }]
    }
    const whole = await adalora.forward(sitePart(part, 0), input, base).data()
    expectClose(await adalora.forward(sitePart(smaller, 0), input, base).data(), whole, tolerance.operation)
  })

  test("the penalty of orthonormal factors is 0, and so is its gradient: training comes to that", async () => {
    const Q = orthonormalRows(2, 5)
    const P = tf.transpose(orthonormalRows(2, 4))
    const { value, gradients } = valueAndGradients(() => tf.sum(orthogonality(Q, P, tf.eye(2))) as tf.Scalar, [Q, P])
    expect(await value.data()).toEqual(new Float32Array([0]))
    for (const gradient of gradients) expect(await gradient.data()).toEqual(new Float32Array(gradient.size))
  })

  test("either factor's gradient is its own: Q far from orthonormal leaves P where it is", async () => {
    const Q = matrix(3, 6, 1)
    const P = tf.transpose(orthonormalRows(3, 4))
    const { gradients } = valueAndGradients(() => tf.sum(orthogonality(Q, P, tf.eye(3))) as tf.Scalar, [Q, P])
    expect(Math.max(...(await gradients[0]!.data()))).toBeGreaterThan(0.1)
    expect(await gradients[1]!.data()).toEqual(new Float32Array(12))
  })

  test("nothing is left behind", () =>
    expectNoLeak(() => {
      const [Q, P, I] = [matrix(3, 6, 1), matrix(4, 3, 2), tf.eye(3)]
      const { value, gradients } = valueAndGradients(() => tf.sum(orthogonality(Q, P, I)) as tf.Scalar, [Q, P])
      tf.dispose([Q, P, I, value, ...gradients])
    }))
})

test("the rank at the start is 1.5 times the one at the end, rounded up, unless it is given", () => {
  expect([1, 2, 3, 8].map((rank) => initialRankOf({ rank }))).toEqual([2, 3, 5, 12])
  expect(initialRankOf({ rank: 8, initialRank: 9 })).toBe(9)
})

test("the scale is PEFT's, α/(r₀ + 1e-5), so that its files hold the same λ", () => {
  expect(initParts().map(({ pairs }) => pairs[0]!.scale)).toEqual([8 / (4 + 1e-5), 8 / (4 + 1e-5)])
})

test("a site too small for the rank at the start is told, with the field that asked for it", () => {
  const site = { ...sites[0]!, out: 8, in: 10 }
  const { initialRank: _, ...unset } = options
  expect(adalora.problem!(site, { ...unset, rank: 6 })).toBe(
    "rank 6 starts at 9, which is larger than 0 allows: W is [8, 10], so at most 8"
  )
  expect(adalora.problem!(site, { ...options, initialRank: 9 })).toBe(
    "initialRank 9 is larger than 0 allows: W is [8, 10], so at most 8"
  )
  expect(adalora.problem!(site, { ...options, initialRank: 8 })).toBeUndefined()
})
