/**
 * Laws of AltLoRA and AltLoRA+ as the paper has them, over random shapes, ranks and scales, on the real transforms in float32.
 *
 *   1  every step is Algorithm 1's: one factor moves, B first, with a momentum carried by (BᵀB+δI)⁻¹BᵀB′ or A′Aᵀ(AAᵀ+δI)⁻¹
 *   2  W moves by −ηP_B(…) and −η(…)P_A: where the momentum is that of one step, by (1−β₁)η times the projection of its gradient
 *   3  AltLoRA's W is the same after every step for every gauge (BR, R⁻¹A), R invertible, decay and momentum included
 *   4  AltLoRA+'s W is for permutations of the rank with signs, and is not for rotations
 *   5  from B = 0 the first step moves B alone, W by no more than (1−β₁)η‖g‖, and no step after it is not finite
 *
 * The oracle is float64 and shares nothing with the source: inverses by Gaussian elimination, projectors by QR.
 */
import { describe, expect } from "bun:test"
import { altLora, altLoraPlus } from "../../src/optimizers/altlora/transform.ts"
import { describeOn } from "../backends.ts"
import { describeEverywhere } from "../src/optimizers/everywhere.ts"
import {
  apart,
  type Case,
  type FactorsAt,
  gauged,
  lawOfSteps as law,
  stepsUnder,
  weightOf
} from "../src/optimizers/given-gradients.ts"
import {
  combine,
  conditioned,
  deviation,
  inverse,
  type Matrix,
  make,
  norm,
  orthonormal,
  random,
  randomMatrix,
  times,
  transpose
} from "../src/optimizers/matrix.ts"

/** δ where it shall not show: singular values are above 0.03 of their magnitude. */
const NONE = 1e-12

// Relative to the largest entry, after six steps: ten times the worst measured (3e-7; cond 10 on both factors, 100 after a gauge).
const FLOAT32 = 3e-6

const options = { learningRate: 0.02, b1: 0.8, b2: 0.9, eps: 1e-8, weightDecay: 0.1, damping: NONE }

/** Algorithm 1, and 2 where `adaptive`, in float64. */
const algorithm = ({ A, B, s, gradients }: Case, adaptive: boolean): ReadonlyArray<FactorsAt> => {
  const zeros = (m: Matrix): Matrix => m.map((row) => row.map(() => 0))
  const { learningRate, b1, b2, eps, weightDecay } = options
  const moments = { A: zeros(A), B: zeros(B) }
  const squares = { A: zeros(A), B: zeros(B) }
  const last = { A: zeros(A), B: zeros(B) }
  let at: FactorsAt = { A, B }
  return gradients.map((g, t) => {
    const side = t % 2 === 0 ? "B" : "A"
    const gradient =
      side === "A"
        ? combine([1 / s, times(inverse(times(transpose(at.B), at.B)), transpose(at.B), g)])
        : combine([1 / s, times(g, transpose(at.A), inverse(times(at.A, transpose(at.A))))])
    const carried =
      side === "A"
        ? times(inverse(times(transpose(at.B), at.B)), transpose(at.B), last.B, moments.A)
        : times(moments.B, last.A, transpose(at.A), inverse(times(at.A, transpose(at.A))))
    moments[side] = combine([b1, carried], [1 - b1, gradient])
    squares[side] = gradient.map((row, i) => row.map((x, j) => b2 * squares[side][i]![j]! + (1 - b2) * x * x))
    const u = adaptive
      ? moments[side].map((row, i) => row.map((x, j) => x / (Math.sqrt(squares[side][i]![j]!) + eps)))
      : moments[side]
    last[side === "A" ? "B" : "A"] = side === "A" ? at.B : at.A
    at = { ...at, [side]: combine([1 - learningRate * weightDecay, at[side]], [-learningRate, u]) }
    return at
  })
}

const signedPermutation = (r: number): Matrix => make(r, r, (i, j) => (j === (i + 1) % r ? (i % 2 === 0 ? -1 : 1) : 0))

const laws = () => {
  for (const [name, transform, adaptive] of [
    ["AltLoRA", altLora, false],
    ["AltLoRA+", altLoraPlus, true]
  ] as const) {
    law(`(1) ${name}'s algorithm, step by step; the factor that rests is the same bit for bit`, async (c) => {
      const steps = await stepsUnder(transform(options), c, c.gradients)
      const expected = algorithm(c, adaptive)
      for (const [t, { A, B }] of steps.entries()) {
        expect(deviation(A, expected[t]!.A)).toBeLessThan(FLOAT32)
        expect(deviation(B, expected[t]!.B)).toBeLessThan(FLOAT32)
        const before = t === 0 ? c : steps[t - 1]!
        if (t % 2 === 0) expect(A).toEqual(before.A)
        else expect(B).toEqual(before.B)
      }
    })
  }

  law("(2) W moves by the projections of g", async ({ gradients: [g], ...c }) => {
    const first = { ...options, weightDecay: 0 }
    const [one, two] = await stepsUnder(altLora(first), c, [g!, g!])
    const share = -first.learningRate * (1 - first.b1)
    const basis = orthonormal(transpose(c.A))
    const ofB = combine([share, times(g!, basis, transpose(basis))])
    const moved = (from: FactorsAt, to: FactorsAt) => combine([1, weightOf(to, c.s)], [-1, weightOf(from, c.s)])
    // a difference of W's, each rounded by float32: relative to W
    const bound = FLOAT32 * norm(weightOf(c, c.s))
    expect(norm(combine([1, moved(c, one!)], [-1, ofB]))).toBeLessThan(bound)
    const columns = orthonormal(one!.B)
    const ofA = combine([share, times(columns, transpose(columns), g!)])
    expect(norm(combine([1, moved(one!, two!)], [-1, ofA]))).toBeLessThan(bound)
    expect(bound).toBeLessThan(0.1 * norm(ofB))
  })

  law("(3) AltLoRA's W after every step is that of every gauge", async (c) => {
    const r = c.A.length
    const other = gauged(c, conditioned(r, r, 1, random(r)))
    const steps = await stepsUnder(altLora(options), c, c.gradients)
    expect(apart(await stepsUnder(altLora(options), other, c.gradients), steps, c.s)).toBeLessThan(FLOAT32)
  })

  law("(4) AltLoRA+'s is that of permutations with signs, and not of rotations", async (c) => {
    const r = c.A.length
    const steps = await stepsUnder(altLoraPlus(options), c, c.gradients)
    const under = async (R: Matrix) =>
      apart(await stepsUnder(altLoraPlus(options), gauged(c, R), c.gradients), steps, c.s)
    expect(await under(signedPermutation(r))).toBeLessThan(FLOAT32)
    if (r > 1) expect(await under(orthonormal(randomMatrix(r, r, random(r))))).toBeGreaterThan(0.001)
  })

  for (const transform of [altLora, altLoraPlus]) {
    law(`(5) from B = 0, ${transform.name}: B first, and finite`, async (c) => {
      const start = { ...c, B: c.B.map((row) => row.map(() => 0)) }
      const steps = await stepsUnder(transform({ learningRate: 0.02 }), start, c.gradients)
      expect(steps[0]!.A).toEqual(c.A)
      expect(norm(steps[0]!.B)).toBeGreaterThan(0)
      if (transform === altLora)
        expect(norm(weightOf(steps[0]!, c.s))).toBeLessThan(0.1 * 0.02 * norm(c.gradients[0]!) * 1.001)
      for (const { A, B } of steps) expect([...A, ...B].flat().every(Number.isFinite)).toBe(true)
      expect(steps[1]!.A).not.toEqual(c.A)
    })
  }
}

describeEverywhere("AltLoRA's laws", laws)
describe("AltLoRA's laws", () => describeOn("webgpu", laws))
