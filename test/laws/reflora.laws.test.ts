/**
 * Laws of RefLoRA, over random shapes, ranks and scales, on the real transforms in float32.
 *
 *   1  gradients of B are multiplied by a symmetric S with S AAᵀ S = BᵀB, those of A by its inverse
 *   2  without Adam, W moves alike for every gauge (BR, R⁻¹A), R invertible, step after step; with it, it does not
 *   3  the scalar form: W after a step is that of AdamW, and then ‖A‖ = ‖B‖
 *   4  from B = 0 every step is finite, with warm-up and without, and B moves unless its gradient is 0
 *
 * The oracle is float64 and shares nothing with the source: S is known by its equation alone.
 */
import { describe, expect } from "bun:test"
import * as Effect from "effect/Effect"
import { adamw, scaleByAdam } from "../../src/optimizers/adamw/transform.ts"
import { refLora, refLoraScalar } from "../../src/optimizers/reflora/transform.ts"
import { scaleByLearningRate } from "../../src/optimizers/schedule.ts"
import { chain, type Transform } from "../../src/optimizers/transform.ts"
import { describeOn } from "../backends.ts"
import { describeEverywhere } from "../src/optimizers/everywhere.ts"
import { apart, gauged, lawOfSteps as law, stepsUnder, weightOf } from "../src/optimizers/given-gradients.ts"
import {
  combine,
  conditioned,
  deviation,
  identity,
  make,
  norm,
  random,
  times,
  transpose
} from "../src/optimizers/matrix.ts"
import { matrixOf, pairOf, treeOf } from "../src/optimizers/tensors.ts"

/** δ where it shall not show: singular values of BA are above 0.03. */
const NONE = 1e-12

// Relative to the largest entry: ten times the worst measured (9e-7; cond 10 on both factors, 100 after a gauge).
const FLOAT32 = 1e-5

const withSgd = (rate: number): Transform => chain(refLora({ damping: NONE }), scaleByLearningRate(rate))

const laws = () => {
  law("(1) S is symmetric, S AAᵀ S = BᵀB, and A has its inverse", async ({ A, B, s }) => {
    const r = A.length
    const transform = refLora({ damping: NONE })
    const params = treeOf(pairOf(A, B, s))
    const state = await Effect.runPromise(transform.refresh!(transform.init(params), params))
    // the identity in the first r rows of B's gradient and the first r columns of A's
    const unit = (rows: number, columns: number) => make(rows, columns, (i, j) => (i === j ? 1 : 0))
    const gradients = treeOf(pairOf(unit(r, A[0]!.length), unit(B.length, r), s))
    const [moved] = transform.update(gradients, state, params).updates.pairs
    const S = (await matrixOf(moved!.B)).slice(0, r)
    const inverse = (await matrixOf(moved!.A)).map((row) => row.slice(0, r))
    expect(deviation(S, transpose(S))).toBeLessThan(FLOAT32)
    expect(deviation(times(S, A, transpose(A), S), times(transpose(B), B))).toBeLessThan(FLOAT32)
    expect(deviation(times(S, inverse), identity(r))).toBeLessThan(FLOAT32)
    expect(await matrixOf(transform.direction!(gradients, state, params).pairs[0]!.A)).toEqual(await matrixOf(moved!.A))
  })

  law("(2) without Adam, every gauge moves W alike; with it, not", async (c) => {
    const r = c.A.length
    const other = gauged(c, conditioned(r, r, 1, random(r)))
    const difference = async (transform: Transform) =>
      apart(await stepsUnder(transform, c, c.gradients), await stepsUnder(transform, other, c.gradients), c.s)
    expect(await difference(withSgd(0.01))).toBeLessThan(FLOAT32)
    const withAdam = chain(refLora({ damping: NONE }), scaleByAdam(), scaleByLearningRate(0.01))
    if (r > 1) expect(await difference(withAdam)).toBeGreaterThan(0.001)
  })

  law("(3) the scalar form leaves W as AdamW has it, and both factors of one norm", async (c) => {
    const options = { learningRate: 0.01, weightDecay: 0.1 }
    const [own] = await stepsUnder(refLoraScalar(options), c, c.gradients.slice(0, 1))
    const [plain] = await stepsUnder(adamw(options), c, c.gradients.slice(0, 1))
    expect(deviation(weightOf(own!, c.s), weightOf(plain!, c.s))).toBeLessThan(FLOAT32)
    expect(Math.abs(norm(plain!.A) / norm(plain!.B) - 1)).toBeGreaterThan(FLOAT32)
    for (const { A, B } of await stepsUnder(refLoraScalar(options), c, c.gradients))
      expect(Math.abs(norm(A) / norm(B) - 1)).toBeLessThan(FLOAT32)
    // before its first time it is AdamW
    const late = await stepsUnder(refLoraScalar({ ...options, warmup: 9 }), c, c.gradients)
    expect(apart(late, await stepsUnder(adamw(options), c, c.gradients), c.s)).toBeLessThan(FLOAT32)
  })

  law("(4) from B = 0: finite, and B moves", async (c) => {
    const start = { ...c, B: c.B.map((row) => row.map(() => 0)) }
    const after = [scaleByAdam(), scaleByLearningRate(0.01)] as const
    for (const warmup of [0, 1]) {
      for (const transform of [
        chain(refLora({ warmup }), ...after),
        chain(refLora({ warmup, damping: 0 }), ...after),
        refLoraScalar({ learningRate: 0.01, warmup })
      ]) {
        const steps = await stepsUnder(transform, start, c.gradients.slice(0, 2))
        for (const { A, B } of steps) expect([...A, ...B].flat().every(Number.isFinite)).toBe(true)
        expect(norm(steps[0]!.B)).toBeGreaterThan(0.001)
        // a layer that nothing reaches yet
        const [still] = await stepsUnder(transform, start, [combine([0, c.gradients[0]!])])
        expect(still).toEqual({ A: c.A, B: start.B })
      }
    }
  })
}

describeEverywhere("RefLoRA's laws", laws)
describe("RefLoRA's laws", () => describeOn("webgpu", laws))
