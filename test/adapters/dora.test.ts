/**
 * DoRA against float64 values made with PEFT's formula, in particular that its gradient holds the row lengths fixed; and its start.
 */
import { beforeAll, describe, expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import { type BaseLayer, type DoraOptions, dora } from "../../adapters/index.ts"
import { noCalibration } from "../../adapters/init/calibration.ts"
import { packMatrix } from "../../src/numbers/index.ts"
import { valueAndGradients } from "../../src/tensors/gradients.ts"
import { uploadPacked } from "../../src/tensors/index.ts"
import { recomputed } from "../../src/tensors/tape-nodes.ts"
import { type LinearSite, type Trainable, tensorsOf } from "../../src/tensors/trainable.ts"
import { describeOnEach } from "../backends.ts"
import { expectClose, expectNoLeak, relativeError, tolerance } from "../setup.ts"
import { combine, fromFlat, type Matrix, norm, random, randomMatrix, times } from "../src/optimizers/matrix.ts"
import { tensorOf } from "../src/optimizers/tensors.ts"

interface Golden {
  readonly m: number
  readonly n: number
  readonly s: number
  readonly W0: Matrix
  readonly bias: ReadonlyArray<number> | null
  readonly A: Matrix
  readonly B: Matrix
  readonly magnitude: ReadonlyArray<number>
  readonly row_norm: ReadonlyArray<number>
  readonly W_prime: Matrix
  readonly x: Matrix
  readonly target: Matrix
  readonly y: Matrix
  readonly loss: number
  readonly grad_A: Matrix
  readonly grad_B: Matrix
  readonly grad_magnitude: ReadonlyArray<number>
  readonly grad_A_if_norm_not_detached: Matrix
}

const load = (name: string) =>
  JSON.parse(readFileSync(new URL(`../golden/lora_pro/${name}.json`, import.meta.url), "utf8")) as Golden

// Three products and a sum of some hundred squares in float32, five times the worst measured (3.8e-7, on a GPU).
const BOUND = 2e-6

const vectorOf = (values: ReadonlyArray<number>): tf.Tensor1D => tf.tensor1d([...values])

const subjectOf = (golden: Golden) => {
  const site: LinearSite = { name: "some.site", kind: "dense", out: golden.m, in: golden.n }
  const base: BaseLayer = {
    W: tensorOf(golden.W0),
    bias: golden.bias === null ? null : vectorOf(golden.bias)
  }
  const trained: Trainable = {
    pairs: [{ site, A: tensorOf(golden.A), B: tensorOf(golden.B), scale: golden.s }],
    dense: [{ name: "some.site.magnitude", role: "body", value: vectorOf(golden.magnitude) }]
  }
  return { site, base, trained, x: tensorOf(golden.x) }
}

/** ½‖y − target‖² and its gradients, in the order A, B, magnitude. */
const stepOf = (golden: Golden, run: (f: (x: tf.Tensor2D) => tf.Tensor2D, x: tf.Tensor2D) => tf.Tensor2D) => {
  const { site, base, trained, x } = subjectOf(golden)
  const target = tensorOf(golden.target)
  return valueAndGradients(() => {
    const y = run((input) => dora.forward({ site, options, part: trained }, input, base), x)
    return tf.mul(0.5, tf.sum(tf.square(tf.sub(y, target)))) as tf.Scalar
  }, tensorsOf(trained))
}

const at = (f: (x: tf.Tensor2D) => tf.Tensor2D, x: tf.Tensor2D) => f(x)

describeOnEach(() => {
  for (const name of ["dora_bias", "dora_nobias"]) {
    const golden = load(name)

    test(`${name}: y and W′`, async () => {
      const { site, base, trained, x } = subjectOf(golden)
      expectClose(await dora.forward({ site, options, part: trained }, x, base).data(), golden.y.flat(), BOUND)
      expectClose(await dora.merge({ site, options, part: trained }, base).data(), golden.W_prime.flat(), BOUND)
    })

    test(`${name}: loss and gradients, with the lengths held fixed`, async () => {
      const { value, gradients } = stepOf(golden, at)
      expect(Math.abs((await value.data())[0]! / golden.loss - 1)).toBeLessThan(BOUND)
      const [A, B, magnitude] = await Promise.all(gradients.map((gradient) => gradient.data()))
      expectClose(A!, golden.grad_A.flat(), BOUND)
      expectClose(B!, golden.grad_B.flat(), BOUND)
      expectClose(magnitude!, golden.grad_magnitude, BOUND)
      // what would come out otherwise is far away
      expect(relativeError(golden.grad_A_if_norm_not_detached.flat(), golden.grad_A.flat())).toBeGreaterThan(
        1000 * BOUND
      )
    })
  }

  test("recomputed in the backward pass: the same bits", async () => {
    const golden = load("dora_bias")
    const [kept, again] = [stepOf(golden, at), stepOf(golden, (f, x) => recomputed(f, x))]
    for (const [i, gradient] of kept.gradients.entries()) {
      expect(await again.gradients[i]!.data()).toEqual(await gradient.data())
    }
  })

  test("a step leaves nothing behind but its loss and gradients", () =>
    expectNoLeak(() =>
      tf.tidy(() => {
        stepOf(load("dora_bias"), at)
      })
    ))
})

const options: DoraOptions = { rank: 4, alpha: 8, scaling: "standard", init: { kind: "kaiming" } }

describe("DoRA's start", () => {
  beforeAll(async () => {
    await tf.setBackend("cpu")
  })
  const next = random(3)
  const W = randomMatrix(24, 40, next)
  const site: LinearSite = { name: "some.site", kind: "dense", out: 24, in: 40 }
  const startOn = (base: BaseLayer) =>
    Effect.runSync(dora.init(site, options, { ...base, random: random(5), calibrate: noCalibration }))
  const lengthsOf = (matrix: Matrix) => matrix.map((row) => norm([row]))

  test("the magnitude is the length of each row of W", async () => {
    const trained = startOn({ W: tensorOf(W), bias: null })
    expect(trained.dense.map(({ name, role }) => [name, role])).toEqual([["some.site.magnitude", "body"]])
    expectClose(await trained.dense[0]!.value.data(), lengthsOf(W), tolerance.operation)
    expect(dora.size(site, options)).toEqual({ factors: 4 * 64, dense: 24, frozen: 0, state: 0 })
    expect(tensorsOf(trained).reduce((sum, { size }) => sum + size, 0)).toBe(4 * 64 + 24)
  })

  for (const form of ["f16", "int8"] as const) {
    test(`over a base in ${form}: of the rows that it stands for`, async () => {
      const packed = uploadPacked(packMatrix(form, Float32Array.from(W.flat()), [24, 40]) as never)
      const trained = startOn({ W: packed, bias: null })
      const merged = fromFlat(
        await dora.merge({ site, options, part: trained }, { W: packed, bias: null }).data(),
        24,
        40
      )
      expectClose(await trained.dense[0]!.value.data(), lengthsOf(merged), tolerance.operation)
      expect(relativeError(merged.flat(), W.flat())).toBeGreaterThan(1e-5)
    })
  }

  test("rows of W′ have length m and the direction of W + s·BA, whatever A and B are", async () => {
    const start = startOn({ W: tensorOf(W), bias: null })
    const [A, B] = [randomMatrix(4, 40, next), randomMatrix(24, 4, next)]
    const trained = { ...start, pairs: [{ ...start.pairs[0]!, A: tensorOf(A), B: tensorOf(B) }] }
    const merged = fromFlat(
      await dora.merge({ site, options, part: trained }, { W: tensorOf(W), bias: null }).data(),
      24,
      40
    )
    expectClose(lengthsOf(merged), lengthsOf(W), tolerance.operation)
    const whole = combine([1, W], [2, times(B, A)])
    expectClose(
      merged[0]!.map((x) => x / norm([merged[0]!])),
      whole[0]!.map((x) => x / norm([whole[0]!])),
      5e-6
    )
  })
})
