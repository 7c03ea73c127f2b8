/** Thin QR: reconstruction, orthonormality whatever the condition, and the rank. */
import { describe, expect, test } from "bun:test"
import { thinQr } from "../../../src/linalg/qr.ts"
import {
  combine,
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

// A few hundred roundings of 1.1e-16 at n = 16, m = 200, against the norm of the matrix.
const ROUNDING = 1e-14

const decompose = (M: Matrix) => {
  const columns = transpose(M).map((column) => Float64Array.from(column))
  const { Q, R, rank } = thinQr(columns)
  return {
    Q: make(M.length, rank, (i, k) => Q[k]![i]!),
    R: make(rank, columns.length, (k, j) => R[k * columns.length + j]!),
    rank
  }
}

const check = (M: Matrix) => {
  const { Q, R, rank } = decompose(M)
  if (rank > 0) {
    expect(maxAbs(combine([1, times(transpose(Q), Q)], [-1, identity(rank)]))).toBeLessThan(ROUNDING)
    expect(norm(combine([1, times(Q, R)], [-1, M]))).toBeLessThanOrEqual(ROUNDING * norm(M))
  }
  return rank
}

/** [m, n] with these singular values. */
const withSpectrum = (m: number, values: ReadonlyArray<number>, next: () => number): Matrix => {
  const n = values.length
  const sigma = make(n, n, (i, j) => (i === j ? values[i]! : 0))
  return times(orthonormal(randomMatrix(m, n, next)), sigma, transpose(orthonormal(randomMatrix(n, n, next))))
}

describe("thinQr", () => {
  for (const [m, n] of [
    [1, 1],
    [2, 1],
    [3, 2],
    [8, 8],
    [50, 8],
    [200, 16]
  ] as const) {
    test(`[${m}, ${n}]: Q R = M, QᵀQ = I, full rank`, () => {
      const next = random(m * 31 + n)
      for (let i = 0; i < 5; i++) expect(check(randomMatrix(m, n, next))).toBe(n)
    })
  }

  test("orthonormal at a condition of 1e12, where Gram–Schmidt alone is not", () => {
    const values = Array.from({ length: 7 }, (_, i) => 10 ** (-2 * i))
    for (let seed = 1; seed <= 5; seed++) expect(check(withSpectrum(60, values, random(seed)))).toBe(7)
  })

  test("a matrix without full rank has as many columns of Q as it has rank; its projector is that of the rank", () => {
    const next = random(5)
    const [B, C] = [randomMatrix(40, 3, next), randomMatrix(3, 6, next)]
    const M = times(B, C)
    expect(check(M)).toBe(3)
    const { Q } = decompose(M)
    const basis = orthonormal(B)
    expect(maxAbs(combine([1, times(Q, transpose(Q))], [-1, times(basis, transpose(basis))]))).toBeLessThan(1e-13)
  })

  test("zeros, a zero column, equal columns, wide matrices, tiny and huge entries", () => {
    const next = random(9)
    expect(check(make(5, 3, () => 0))).toBe(0)
    expect(check(make(5, 3, (i, j) => (j === 1 ? 0 : i + j * j + (i === j ? 1 : 0))))).toBe(2)
    expect(check(make(5, 3, (i) => i + 1))).toBe(1)
    expect(check(randomMatrix(3, 7, next))).toBe(3)
    expect(check(randomMatrix(9, 3, next, 1e-140))).toBe(3)
    expect(check(randomMatrix(9, 3, next, 1e140))).toBe(3)
  })

  test("the input is left as it was", () => {
    const columns = [Float64Array.of(1, 2, 3), Float64Array.of(4, 5, 7)]
    thinQr(columns)
    expect(columns).toEqual([Float64Array.of(1, 2, 3), Float64Array.of(4, 5, 7)])
  })
})
