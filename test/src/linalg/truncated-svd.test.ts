/**
 * The truncated SVD against what defines it: orthonormal vectors, W V = U S and Wᵀ U = V S, no approximation of the rank nearer to W
 * (Eckart & Young: the residual's square is the sum of the squares that were left out); of matrices whose decomposition is known, graded,
 * clustered, without full rank; and against singular values of another implementation.
 */
import { describe, expect, test } from "bun:test"
import { NotFiniteMatrix, type Randomised, truncatedSvd } from "../../../src/linalg/truncated-svd.ts"
import { randomStream } from "../../../src/numbers/random.ts"
import golden from "../../golden/lora_pro/init_pissa.json"
import {
  combine,
  deviation,
  fromFlat,
  identity,
  type Matrix,
  make,
  maxAbs,
  norm,
  orthonormal,
  random,
  randomMatrix,
  times,
  transpose
} from "../optimizers/matrix.ts"

// some hundred roundings of 1.1e-16, against the norm of the matrix
const ROUNDING = 5e-14

const decompose = (W: Matrix, rank: number, randomised?: Randomised) => {
  const [m, n] = [W.length, W[0]!.length]
  const { U, S, V } = truncatedSvd(Float64Array.from(W.flat()), [m, n], rank, randomised)
  return { U: fromFlat(U, m, rank), S: [...S], V: fromFlat(V, n, rank) }
}

const diagonal = (values: ReadonlyArray<number>): Matrix =>
  make(values.length, values.length, (i, j) => (i === j ? values[i]! : 0))

const orthonormality = (X: Matrix) => maxAbs(combine([1, times(transpose(X), X)], [-1, identity(X[0]!.length)]))

/** U diag(singular values) Vᵀ with random vectors. */
const withSingularValues = (m: number, n: number, values: ReadonlyArray<number>, seed: number): Matrix => {
  const next = random(seed)
  const U = orthonormal(randomMatrix(m, values.length, next))
  const V = orthonormal(randomMatrix(n, values.length, next))
  return times(U, diagonal(values), transpose(V))
}

/** The laws of an exact one. */
const check = (W: Matrix, rank: number) => {
  const { U, S, V } = decompose(W, rank)
  expect(orthonormality(U)).toBeLessThan(ROUNDING)
  expect(orthonormality(V)).toBeLessThan(ROUNDING)
  const size = norm(W)
  const US = times(U, diagonal(S))
  expect(norm(combine([1, times(W, V)], [-1, US]))).toBeLessThanOrEqual(ROUNDING * size)
  expect(norm(combine([1, times(transpose(W), U)], [-1, times(V, diagonal(S))]))).toBeLessThanOrEqual(ROUNDING * size)
  expect(S).toEqual(S.toSorted((a, b) => b - a))
  expect(Math.min(...S)).toBeGreaterThanOrEqual(0)
  // the rule of signs
  for (const v of transpose(V)) expect(v.reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a))).toBeGreaterThan(0)
  return { U, S, V, residual: norm(combine([1, W], [-1, times(US, transpose(V))])) }
}

const rootOfSquares = (values: ReadonlyArray<number>) => Math.sqrt(values.reduce((sum, x) => sum + x * x, 0))

describe("truncatedSvd, exact", () => {
  for (const [m, n] of [
    [1, 1],
    [1, 7],
    [7, 1],
    [2, 2],
    [6, 6],
    [9, 31],
    [31, 9],
    [48, 48]
  ] as const) {
    test(`${m} × ${n}, every rank: the residual is what was left out`, () => {
      const values = Array.from({ length: Math.min(m, n) }, (_, i) => 3 / (i + 1))
      const W = withSingularValues(m, n, values, 10 * m + n)
      for (const rank of new Set([1, Math.ceil(values.length / 2), values.length])) {
        const { S, residual } = check(W, rank)
        S.forEach((sigma, i) => {
          expect(Math.abs(sigma - values[i]!)).toBeLessThanOrEqual(ROUNDING * 3)
        })
        expect(Math.abs(residual - rootOfSquares(values.slice(rank)))).toBeLessThanOrEqual(ROUNDING * norm(W))
      }
    })
  }

  test("numpy's singular values and best approximation, of the golden file", () => {
    const { W0, r, singular_values: expected } = golden
    const { U, S, V } = check(W0, r)
    expect(deviation([S], [expected.slice(0, r)])).toBeLessThan(1e-13)
    expect(deviation([check(W0, 16).S], [expected])).toBeLessThan(1e-13)
    expect(deviation(times(U, diagonal(S), transpose(V)), golden.s_BA)).toBeLessThan(golden.tolerance_relative)
  })

  test("equal singular values, also where the rank cuts through them", () => {
    const values = [5, 2, 2, 2, 2, 1, 1]
    const W = withSingularValues(20, 12, values, 3)
    for (const rank of [2, 3, 5, 6, 7]) {
      const { residual } = check(W, rank)
      expect(Math.abs(residual - rootOfSquares(values.slice(rank)))).toBeLessThanOrEqual(ROUNDING * norm(W))
    }
    expect(check(identity(9), 4).S).toEqual([1, 1, 1, 1])
    const scaled = make(6, 8, (i, j) => (i === j ? -3 : 0))
    expect(check(scaled, 6).S).toEqual([3, 3, 3, 3, 3, 3])
  })

  test("nearly equal ones", () => {
    const values = Array.from({ length: 10 }, (_, i) => 1 + i * 1e-9).toReversed()
    const W = withSingularValues(30, 14, values, 4)
    const { residual } = check(W, 5)
    expect(Math.abs(residual - rootOfSquares(values.slice(5)))).toBeLessThanOrEqual(ROUNDING * norm(W))
  })

  test("graded: what a Gram matrix loses is found", () => {
    const values = [1, 1e-2, 1e-5, 1e-7, 1e-9, 1e-11]
    const W = withSingularValues(25, 18, values, 5)
    const { S } = check(W, 6)
    S.forEach((sigma, i) => {
      expect(Math.abs(sigma - values[i]!)).toBeLessThanOrEqual(ROUNDING)
    })
    expect(check(W, 4).residual).toBeLessThan(1e-9 * 1.01)
  })

  test("without full rank the rest is 0, and the vectors are orthonormal all the same", () => {
    for (const [m, n] of [
      [12, 30],
      [30, 12]
    ] as const) {
      const { S, residual } = check(withSingularValues(m, n, [4, 3, 1], 6), 7)
      expect(S.slice(3)).toEqual([0, 0, 0, 0])
      expect(residual).toBeLessThan(ROUNDING * 5)
    }
    const rows = make(5, 9, (i, j) => (i === 2 ? j + 1 : 0))
    expect(check(rows, 3).S.slice(1)).toEqual([0, 0])
    const { U, S, V } = decompose(
      make(4, 6, () => 0),
      2
    )
    expect(S).toEqual([0, 0])
    expect(Math.max(orthonormality(U), orthonormality(V))).toBeLessThan(ROUNDING)
  })

  test("huge and tiny numbers, float32's smallest among them", () => {
    const W = withSingularValues(8, 6, [3, 2, 1, 0.5], 7)
    for (const factor of [2 ** 900, 2 ** -900]) {
      const { S } = decompose(
        W.map((row) => row.map((x) => x * factor)),
        3
      )
      expect(deviation([S.map((sigma) => sigma / factor)], [[3, 2, 1]])).toBeLessThan(ROUNDING)
    }
    const [least] = truncatedSvd(Float32Array.of(2 ** -149, 0, 0, 2 ** -149), [2, 2], 1).S
    expect(least).toBe(2 ** -149)
  })

  test("the input is left as it was, float32 is taken as it is, and the same matrix gives the same bits", () => {
    const W = Float32Array.from(randomMatrix(11, 17, random(8)).flat())
    const before = W.slice()
    const first = truncatedSvd(W, [11, 17], 4)
    expect(W).toEqual(before)
    expect(truncatedSvd(W, [11, 17], 4)).toEqual(first)
    expect(truncatedSvd(Float64Array.from(W), [11, 17], 4)).toEqual(first)
  })

  test("entries that are not finite, and ranks that no matrix of the shape has", () => {
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      const W = new Float32Array(12)
      W[7] = value
      expect(() => truncatedSvd(W, [3, 4], 2)).toThrow(NotFiniteMatrix)
      expect(() => truncatedSvd(W, [3, 4], 2)).toThrow(`entry [1, 3] is ${value}`)
    }
    for (const rank of [0, 4, 1.5, Number.NaN]) {
      expect(() => truncatedSvd(new Float32Array(12), [3, 4], rank)).toThrow("expected an integer from 1 to 3")
    }
  })
})

describe("truncatedSvd, randomised", () => {
  const stream = (iterations: number, seed = 0): Randomised => ({ iterations, random: randomStream(seed, "svd") })

  test("with few directions beyond the rank it is the exact one where W has no more", () => {
    const W = withSingularValues(60, 40, [5, 4, 3, 2, 1], 11)
    for (const iterations of [0, 2]) {
      const exact = decompose(W, 5)
      const { U, S, V } = decompose(W, 5, { ...stream(iterations), oversampling: 2 })
      expect(deviation([S], [exact.S])).toBeLessThan(1e-12)
      // distinct singular values, and signs by a rule: the same vectors
      expect(Math.max(deviation(U, exact.U), deviation(V, exact.V))).toBeLessThan(1e-12)
    }
  })

  test("power iterations bring the residual to the best one, of a spectrum that falls slowly", () => {
    const values = Array.from({ length: 60 }, (_, i) => (i + 1) ** -0.5)
    for (const [m, n] of [
      [80, 60],
      [60, 80]
    ] as const) {
      const W = withSingularValues(m, n, values, m)
      const best = rootOfSquares(values.slice(6))
      const excess = [0, 1, 4, 16].map((iterations) => {
        const { U, S, V } = decompose(W, 6, stream(iterations))
        expect(Math.max(orthonormality(U), orthonormality(V))).toBeLessThan(ROUNDING)
        return norm(combine([1, W], [-1, times(U, diagonal(S), transpose(V))])) / best - 1
      })
      expect(Math.min(...excess)).toBeGreaterThanOrEqual(-ROUNDING)
      expect(excess).toEqual(excess.toSorted((a, b) => b - a))
      // (σ₁₇/σ₆)^(2q+1) is 1e-2 at q = 4 and 1e-7 at q = 16, and enters the residual squared
      expect(excess[2]).toBeLessThan(1e-3)
      expect(excess[3]).toBeLessThan(1e-9)
    }
  })

  test("depends on the stream alone, and signs do not depend on it", () => {
    const W = withSingularValues(30, 50, [8, 4, 2, 1, 0.5, 0.25, 0.1], 12)
    const small = { oversampling: 3 }
    expect(decompose(W, 3, { ...stream(2), ...small })).toEqual(decompose(W, 3, { ...stream(2), ...small }))
    const [a, b] = [decompose(W, 3, { ...stream(2, 1), ...small }), decompose(W, 3, { ...stream(2, 2), ...small })]
    expect(a.S).not.toEqual(b.S)
    expect(deviation(a.V, b.V)).toBeLessThan(1e-4)
  })

  test("where nearly all directions would be looked at, it is the exact one", () => {
    const W = randomMatrix(9, 14, random(13))
    expect(decompose(W, 3, stream(1))).toEqual(decompose(W, 3))
  })

  test("of a matrix without full rank", () => {
    const W = withSingularValues(40, 50, [2, 1], 14)
    const { U, S, V } = decompose(W, 4, stream(2))
    expect(deviation([S.slice(0, 2)], [[2, 1]])).toBeLessThan(ROUNDING)
    expect(S.slice(2)).toEqual([0, 0])
    expect(Math.max(orthonormality(U), orthonormality(V))).toBeLessThan(ROUNDING)
  })
})
