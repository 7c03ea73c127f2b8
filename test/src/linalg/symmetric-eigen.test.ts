/** The host eigensolver: reconstruction, orthogonality, known spectra, and small eigenvalues accurate relative to themselves. */
import { describe, expect, test } from "bun:test"
import { symmetricEigen } from "../../../src/linalg/symmetric-eigen.ts"
import {
  combine,
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

// A few hundred roundings of 1.1e-16 per entry at n = 64, against the norm of the matrix.
const ROUNDING = 2e-14

const decompose = (G: Matrix) => {
  const n = G.length
  const { values, vectors } = symmetricEigen(G.flat(), n)
  return { values, U: fromFlat(vectors, n, n), Lambda: make(n, n, (i, j) => (i === j ? values[i]! : 0)) }
}

const check = (G: Matrix) => {
  const { values, U, Lambda } = decompose(G)
  expect(maxAbs(combine([1, times(transpose(U), U)], [-1, identity(G.length)]))).toBeLessThan(ROUNDING)
  expect(norm(combine([1, times(U, Lambda, transpose(U))], [-1, G]))).toBeLessThanOrEqual(ROUNDING * norm(G))
  expect(Array.from(values)).toEqual(Array.from(values).sort((a, b) => a - b))
  return values
}

describe("symmetricEigen", () => {
  for (const n of [1, 2, 3, 4, 5, 8, 13, 16, 32, 64]) {
    test(`n = ${n}: U Λ Uᵀ = G, Uᵀ U = I, ascending`, () => {
      const next = random(n)
      for (let i = 0; i < 5; i++) {
        const M = randomMatrix(n, n, next)
        check(combine([1, M], [1, transpose(M)])) // indefinite
        check(times(M, transpose(M))) // a Gram matrix
      }
    })
  }

  test("the second difference matrix has eigenvalues 2 − 2cos(kπ/(n+1))", () => {
    const n = 20
    const values = check(make(n, n, (i, j) => (i === j ? 2 : Math.abs(i - j) === 1 ? -1 : 0)))
    values.forEach((value, k) => {
      expect(Math.abs(value - (2 - 2 * Math.cos(((k + 1) * Math.PI) / (n + 1))))).toBeLessThan(ROUNDING)
    })
  })

  test("repeated eigenvalues", () => {
    const Q = orthonormal(randomMatrix(6, 6, random(3)))
    const values = check(
      times(
        Q,
        make(6, 6, (i, j) => (i === j ? (i < 3 ? 1 : 2) : 0)),
        transpose(Q)
      )
    )
    expect(Array.from(values).map((value) => Math.round(value * 1e12) / 1e12)).toEqual([1, 1, 1, 2, 2, 2])
  })

  test("zero and diagonal matrices come back exactly", () => {
    const zero = decompose(make(4, 4, () => 0))
    expect(Array.from(zero.values)).toEqual([0, 0, 0, 0])
    expect(zero.U).toEqual(identity(4))
    expect(Array.from(decompose(make(3, 3, (i, j) => (i === j ? [3, 1, 2][i]! : 0))).values)).toEqual([1, 2, 3])
  })

  test("a zero row stays an exact zero eigenvalue", () => {
    const M = randomMatrix(5, 5, random(11))
    const G = times(M, transpose(M)).map((row, i) => row.map((x, j) => (i === 2 || j === 2 ? 0 : x)))
    expect(check(G)[0]).toBe(0)
  })

  test("graded: eigenvalues down to 1e-24 of the largest are right to ten digits", () => {
    // D H D with H well conditioned: each eigenvalue is determined by the entries relative to itself.
    const d = [1, 1e-3, 1e-6, 1e-9, 1e-12]
    const graded = (H: Matrix) => make(5, 5, (i, j) => d[i]! * H[i]![j]! * d[j]!)
    const values = check(graded(make(5, 5, (i, j) => (i === j ? 1 : 0.1))))
    // The product of the eigenvalues is the determinant: (1−a)⁴(1+4a)·Πd², a = 0.1.
    const determinant = 0.9 ** 4 * 1.4 * d.reduce((p, x) => p * x * x, 1)
    expect(Math.abs(values.reduce((p, x) => p * x, 1) / determinant - 1)).toBeLessThan(1e-10)
    // The smallest is the last Schur complement to first order in the grading: 1 − aᵀH₄⁻¹a = (1−a)(1+4a)/(1+3a).
    expect(Math.abs(values[0]! / (1e-24 * ((0.9 * 1.4) / 1.3)) - 1)).toBeLessThan(1e-5)
  })

  test("the input is left as it was", () => {
    const G = Float64Array.of(2, 1, 1, 2)
    symmetricEigen(G, 2)
    expect(Array.from(G)).toEqual([2, 1, 1, 2])
  })
})
