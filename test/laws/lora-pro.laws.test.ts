/**
 * The nine laws of LoRA-Pro, over random shapes, ranks, scales and magnitudes, on the real transform in float32.
 *
 * The oracle is float64 and shares nothing with the source: projectors onto col(B) and row(A) come from QR. Singular values of the
 * factors lie within a ratio of 10, so that float32 loses about one digit; what happens beyond that is the last law's business.
 */
import { expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import { equivalentGradient, freeMatrix, loraPro, type XChoice } from "../../src/optimizers/lora-pro/transform.ts"
import type { Transform } from "../../src/optimizers/transform.ts"
import { readGrams, whiten } from "../../src/optimizers/whitening.ts"
import { describeEverywhere } from "../src/optimizers/everywhere.ts"
import {
  combine,
  conditioned,
  deviation,
  identity,
  inner,
  inverse,
  type Matrix,
  make,
  norm,
  orthonormal,
  product,
  random,
  randomMatrix,
  rounded,
  times,
  transpose
} from "../src/optimizers/matrix.ts"
import { matrixOf, pairOf, treeOf } from "../src/optimizers/tensors.ts"

// Relative to the norm of the quantity: five times the worst measured (below 4e-6; cond 10 on both factors, four float32 products).
const FLOAT32 = 2e-5
const SEEDS = Array.from({ length: 40 }, (_, i) => i + 1)
const CHOICES: ReadonlyArray<XChoice> = ["sylvester", "zero", "symmetric"]

interface Case {
  readonly name: string
  readonly A: Matrix // [r, in]
  readonly B: Matrix // [out, r]
  readonly g: Matrix // [out, in]
  readonly s: number
}

const caseOf = (seed: number): Case => {
  const next = random(seed)
  const integer = (low: number, high: number) => low + Math.floor(next() * (high - low + 1))
  // rank 1, tall, wide and square (r = out) all occur by construction, not by luck
  const r = seed % 5 === 0 ? 1 : integer(1, 8)
  const out = seed % 7 === 0 ? r : integer(r, seed % 3 === 0 ? 48 : 12)
  const columns = integer(r, seed % 4 === 0 ? 48 : 12)
  const alpha = integer(1, 32)
  const s = seed % 2 === 0 ? alpha / Math.sqrt(r) : alpha / r
  const magnitude = () => 10 ** (2 * next() - 1)
  return {
    name: `seed ${seed}: ${out}×${columns}, r = ${r}, s = ${s.toPrecision(3)}`,
    A: rounded(transpose(conditioned(columns, r, magnitude(), next))),
    B: rounded(conditioned(out, r, magnitude(), next)),
    g: rounded(randomMatrix(out, columns, next, magnitude())),
    s
  }
}

const factorGradients = ({ A, B, g, s }: Case) => ({
  gA: combine([s, times(transpose(B), g)]),
  gB: combine([s, times(g, transpose(A))])
})

/** The directions that a transform makes of a case's factor gradients. */
const directions = async (c: Case, transform: Transform) => {
  const { gA, gB } = factorGradients(c)
  const params = treeOf(pairOf(c.A, c.B, c.s))
  const gradients = treeOf(pairOf(gA, gB, c.s))
  const state = await Effect.runPromise(transform.refresh!(transform.init(params), params))
  const [pair] = transform.update(gradients, state, params).updates.pairs
  return { dA: await matrixOf(pair!.A), dB: await matrixOf(pair!.B), gA, gB }
}

/** s·B·dA + s·dB·A: how W moves. */
const moveOf = ({ A, B, s }: Case, dA: Matrix, dB: Matrix): Matrix => combine([s, times(B, dA)], [s, times(dB, A)])

const projected = ({ A, B, g }: Case): Matrix => {
  const [QB, QA] = [orthonormal(B), orthonormal(transpose(A))]
  const left = times(QB, transpose(QB), g)
  const right = times(g, QA, transpose(QA))
  return combine([1, left], [1, right], [-1, times(left, QA, transpose(QA))])
}

const relative = (x: Matrix, y: Matrix, scale: number): number => norm(combine([1, x], [-1, y])) / scale

/** u = g: an inner transform that does nothing. */
const nothing: Transform = { init: () => null, update: (updates, state) => ({ updates, state }) }

/** One law over all cases; a failure names the case. */
const law = (name: string, check: (c: Case) => Promise<void>) => {
  test(name, async () => {
    for (const c of SEEDS.map(caseOf)) {
      await check(c).catch((cause) => {
        throw new Error(`${c.name}: ${cause instanceof Error ? cause.message : String(cause)}`)
      })
    }
  })
}

describeEverywhere("LoRA-Pro's laws", () => {
  test("the cases cover rank 1, tall, wide and full-rank factors", () => {
    const cases = SEEDS.map(caseOf)
    expect(cases.some(({ A }) => A.length === 1)).toBe(true)
    expect(cases.some(({ A, B }) => B.length > 3 * A[0]!.length)).toBe(true)
    expect(cases.some(({ A, B }) => A[0]!.length > 3 * B.length)).toBe(true)
    expect(cases.some(({ A, B }) => A.length > 1 && B.length === A.length)).toBe(true)
  })

  law("(1) W moves by the tangent projection of g", async (c) => {
    const { dA, dB } = await directions(c, loraPro({ damping: 0 }))
    expect(relative(moveOf(c, dA, dB), projected(c), norm(c.g))).toBeLessThan(FLOAT32)
  })

  law("(2) for every X", async (c) => {
    for (const x of CHOICES) {
      const { dA, dB } = await directions(c, loraPro({ x, damping: 0 }))
      expect(relative(moveOf(c, dA, dB), projected(c), norm(c.g))).toBeLessThan(FLOAT32)
    }
  })

  law("(3) and for every gauge (BR, R⁻¹A)", async (c) => {
    const r = c.A.length
    const R = conditioned(r, r, 1, random(r))
    const gauged = { ...c, B: rounded(times(c.B, R)), A: rounded(times(inverse(R), c.A)) }
    const { dA, dB } = await directions(gauged, loraPro({ damping: 0 }))
    // cond(BR) ≤ 100, and the rounding of BR itself turns its column space
    expect(relative(moveOf(gauged, dA, dB), projected(c), norm(c.g))).toBeLessThan(10 * FLOAT32)
  })

  law("(4) no other (dA, dB) comes nearer to g", async (c) => {
    const { dA, dB } = await directions(c, loraPro({ damping: 0 }))
    const next = random(norm(c.g) * 1e6)
    const residual = combine([1, c.g], [-1, moveOf(c, dA, dB)])
    for (let i = 0; i < 5; i++) {
      const E = randomMatrix(c.A.length, c.A[0]!.length, next)
      const F = randomMatrix(c.B.length, c.A.length, next)
      const other = moveOf(c, E, F)
      // first order: the residual is orthogonal to every move that factors can make
      expect(Math.abs(inner(residual, other)) / (norm(c.g) * norm(other))).toBeLessThan(FLOAT32)
      for (const size of [1e-3, 1e-1, 1]) {
        const further = combine([1, residual], [(-size * norm(c.g)) / norm(other), other])
        expect(norm(further)).toBeGreaterThan(norm(residual))
      }
    }
  })

  law("(5) push forward, then pull back: the factor gradients", async (c) => {
    const plain = await directions(c, loraPro({ damping: 0 }))
    const full = await directions(c, loraPro({ inner: nothing, damping: 0 }))
    const move = moveOf(c, full.dA, full.dB)
    const [backA, backB] = [
      combine([c.s, product(transpose(c.B), move)]),
      combine([c.s, product(move, transpose(c.A))])
    ]
    expect(deviation(backA, plain.gA)).toBeLessThan(FLOAT32)
    expect(deviation(backB, plain.gB)).toBeLessThan(FLOAT32)
    expect(deviation(full.dA, plain.dA)).toBeLessThan(FLOAT32)
    expect(relative(full.dB, plain.dB, norm(plain.gB) / c.s ** 2 / norm(c.A) ** 2 + norm(plain.dB))).toBeLessThan(
      FLOAT32
    )
  })

  law("(6) the Sylvester X comes nearest to the factor gradients", async (c) => {
    const { dA, dB, gA, gB } = await directions(c, loraPro({ damping: 0 }))
    const [offA, offB] = [combine([1, dA], [-1, gA]), combine([1, dB], [-1, gB])]
    const distance = norm(offA) ** 2 + norm(offB) ** 2
    const next = random(norm(c.g) * 1e6)
    for (let i = 0; i < 5; i++) {
      const E = randomMatrix(c.A.length, c.A.length, next)
      const [alongA, alongB] = [times(E, c.A), combine([-1, times(c.B, E)])]
      const length = Math.hypot(norm(alongA), norm(alongB))
      const slope = inner(offA, alongA) + inner(offB, alongB)
      const scale = Math.hypot(norm(gA), norm(gB), norm(dA), norm(dB))
      expect(Math.abs(slope) / (length * scale)).toBeLessThan(FLOAT32)
    }
    for (const x of ["zero", "symmetric"] as const) {
      const other = await directions(c, loraPro({ x, damping: 0 }))
      const further = norm(combine([1, other.dA], [-1, gA])) ** 2 + norm(combine([1, other.dB], [-1, gB])) ** 2
      expect(further).toBeGreaterThan(distance * (1 - FLOAT32))
    }
  })

  law("(7) the loss does not rise, however damped and however small B is", async (c) => {
    for (const shrink of [1, 1e-3, 1e-6]) {
      const small = { ...c, B: rounded(combine([shrink, c.B])) }
      const { dA, dB, gA, gB } = await directions(small, loraPro())
      const decrease = inner(gA, dA) + inner(gB, dB)
      expect(decrease).toBeGreaterThanOrEqual(0)
      expect(Math.abs(decrease - inner(small.g, moveOf(small, dA, dB)))).toBeLessThan(FLOAT32 * norm(c.g) ** 2)
    }
  })

  law("(8) at B = 0 the equivalent gradient is g P_A", async (c) => {
    const start = { ...c, B: combine([0, c.B]) }
    const { dA, dB } = await directions(start, loraPro({ damping: 0 }))
    const QA = orthonormal(transpose(c.A))
    expect(norm(dA)).toBe(0)
    expect(relative(moveOf(start, dA, dB), times(c.g, QA, transpose(QA)), norm(c.g))).toBeLessThan(FLOAT32)
    const damped = await directions(start, loraPro())
    expect(norm(damped.dA)).toBe(0)
  })

  law("(9) X solves BᵀB X + X AAᵀ = −s⁻²(BᵀB+δI)⁻¹ gA Aᵀ", async (c) => {
    for (const damping of [0, 1e-3]) {
      const { gA, gB } = factorGradients(c)
      const [pair, gradient] = [pairOf(c.A, c.B, c.s), pairOf(gA, gB, c.s)]
      const [grams] = await Effect.runPromise(readGrams([pair]))
      const X = await matrixOf(freeMatrix(pair, gradient, whiten(grams!, c.s, damping).whitening, "sylvester"))
      const BtB = times(transpose(c.B), c.B)
      const damped = combine([1, BtB], [damping, identity(BtB.length)])
      const right = combine([-1 / c.s ** 2, times(inverse(damped), gA, transpose(c.A))])
      const AAt = times(c.A, transpose(c.A))
      const left = combine([1, times(BtB, X)], [1, times(X, AAt)])
      // A backward error: relative to what the terms of the left side amount to.
      const scale = norm(right) + norm(BtB) * norm(X) + norm(X) * norm(AAt)
      expect(relative(left, right, scale)).toBeLessThan(FLOAT32)
    }
  })

  law("beyond the laws: with λ_min(BᵀB) ≪ δ, g̃ is the damped projection and no longer than 2‖g‖", async (c) => {
    const r = c.A.length
    const D = make(r, r, (i, j) => (i === j ? (i === 0 ? 1e-5 : 1) : 0))
    const B = rounded(product(orthonormal(c.B), D))
    const A = rounded(transpose(orthonormal(transpose(c.A))))
    const near = { ...c, A, B }
    const { gA, gB } = factorGradients(near)
    const [pair, gradient] = [pairOf(A, B, c.s), pairOf(gA, gB, c.s)]
    const [grams] = await Effect.runPromise(readGrams([pair]))
    const g = await matrixOf(equivalentGradient(pair, gradient, whiten(grams!, c.s, 1e-8).whitening))
    const damped = combine([1, times(transpose(B), B)], [1e-8, identity(r)])
    const P = times(B, inverse(damped), transpose(B))
    const PA = times(transpose(A), A)
    const expected = combine([1, times(P, c.g)], [1, times(c.g, PA)], [-1, times(P, c.g, PA)])
    // gA's component along the weak direction is rounded at 6e-8/σ·√δ of the rest
    expect(relative(g, expected, norm(c.g))).toBeLessThan(1e-3)
    expect(norm(g)).toBeLessThan(2 * norm(c.g))
  })
})
