/** The leading eigenvectors: G v = λ v, orthonormal, the largest first; against Jacobi's eigenvalues, and a spectrum that is known. */
import { describe, expect, test } from "bun:test"
import { leadingEigenvectors } from "../../../src/linalg/leading-eigenvectors.ts"
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

// some hundred roundings of 1.1e-16, against the norm of the matrix
const ROUNDING = 5e-14

const check = (G: Matrix, count: number) => {
  const n = G.length
  const { values, vectors } = leadingEigenvectors(Float64Array.from(G.flat()), n, count)
  const V = transpose(fromFlat(vectors, count, n)) // [n, count]
  expect(maxAbs(combine([1, times(transpose(V), V)], [-1, identity(count)]))).toBeLessThan(ROUNDING)
  const scaled = make(n, count, (i, j) => V[i]![j]! * values[j]!)
  expect(norm(combine([1, times(G, V)], [-1, scaled]))).toBeLessThanOrEqual(ROUNDING * norm(G))
  const all = symmetricEigen(G.flat(), n).values.toReversed()
  values.forEach((value, i) => {
    expect(Math.abs(value - all[i]!)).toBeLessThanOrEqual(ROUNDING * norm(G))
  })
  return values
}

describe("leadingEigenvectors", () => {
  for (const n of [1, 2, 3, 4, 7, 16, 33, 80]) {
    test(`n = ${n}, of indefinite and of Gram matrices, one vector to all`, () => {
      const next = random(n)
      for (const count of new Set([1, Math.ceil(n / 3), n])) {
        const M = randomMatrix(n, n, next)
        check(combine([1, M], [1, transpose(M)]), count)
        check(times(M, transpose(M)), count)
      }
    })
  }

  test("the second difference matrix has eigenvalues 2 + 2cos(kπ/(n+1))", () => {
    const n = 50
    const values = check(
      make(n, n, (i, j) => (i === j ? 2 : Math.abs(i - j) === 1 ? -1 : 0)),
      n
    )
    values.forEach((value, k) => {
      expect(Math.abs(value - (2 + 2 * Math.cos(((k + 1) * Math.PI) / (n + 1))))).toBeLessThan(ROUNDING)
    })
  })

  test("repeated eigenvalues, and a null space", () => {
    const Q = orthonormal(randomMatrix(20, 20, random(3)))
    const D = make(20, 20, (i, j) => (i === j ? (i < 8 ? 3 : i < 12 ? 1 : 0) : 0))
    const values = check(times(Q, D, transpose(Q)), 20)
    expect([...values].map((value) => Math.round(value * 1e12) / 1e12 + 0)).toEqual(
      Array.from({ length: 20 }, (_, i) => (i < 8 ? 3 : i < 12 ? 1 : 0))
    )
  })

  test("diagonal, identity and zero matrices", () => {
    expect([...check(identity(6), 6)]).toEqual([1, 1, 1, 1, 1, 1])
    expect([
      ...check(
        make(4, 4, () => 0),
        2
      )
    ]).toEqual([0, 0])
    const diagonal = make(5, 5, (i, j) => (i === j ? [2, 5, 1, 4, 3][i]! : 0))
    expect([...check(diagonal, 5)]).toEqual([5, 4, 3, 2, 1])
  })

  test("a matrix in blocks, whose tridiagonal form falls apart", () => {
    const next = random(9)
    const [P, Q] = [randomMatrix(6, 6, next), randomMatrix(7, 7, next)]
    const [A, B] = [times(P, transpose(P)), times(Q, transpose(Q))]
    check(
      make(13, 13, (i, j) => (i < 6 && j < 6 ? A[i]![j]! : i >= 6 && j >= 6 ? B[i - 6]![j - 6]! : 0)),
      13
    )
  })
})
