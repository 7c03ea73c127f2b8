/** QR by reflections: X = QR, QᵀQ = I whatever the rank of X, R upper triangular with a diagonal that is not negative. */
import { describe, expect, test } from "bun:test"
import { householderQr } from "../../../src/linalg/qr.ts"
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

// some hundred roundings of 1.1e-16
const ROUNDING = 1e-14

const decompose = (X: Matrix) => {
  const [m, n] = [X.length, X[0]!.length]
  const k = Math.min(m, n)
  const { Q, R } = householderQr(X.flat(), [m, n])
  return { Q: fromFlat(Q, m, k), R: fromFlat(R, k, n) }
}

const check = (X: Matrix) => {
  const { Q, R } = decompose(X)
  expect(maxAbs(combine([1, times(transpose(Q), Q)], [-1, identity(R.length)]))).toBeLessThan(ROUNDING)
  expect(norm(combine([1, times(Q, R)], [-1, X]))).toBeLessThanOrEqual(ROUNDING * norm(X))
  R.forEach((row, i) => {
    expect(row.slice(0, i)).toEqual(row.slice(0, i).map(() => 0))
    expect(row[i]!).toBeGreaterThanOrEqual(0)
  })
  return { Q, R }
}

describe("householderQr", () => {
  for (const [m, n] of [
    [1, 1],
    [1, 4],
    [4, 1],
    [5, 5],
    [40, 7],
    [7, 40],
    [64, 64]
  ] as const) {
    test(`${m} × ${n}`, () => {
      const next = random(m * 100 + n)
      for (let i = 0; i < 5; i++) check(randomMatrix(m, n, next))
    })
  }

  test("the one with a positive diagonal: Gram and Schmidt's", () => {
    const X = randomMatrix(12, 5, random(7))
    expect(deviation(check(X).Q, orthonormal(X))).toBeLessThan(1e-12)
  })

  test("dependent and zero columns still get an orthonormal Q", () => {
    const X = randomMatrix(9, 2, random(5))
    const { R } = check(make(9, 4, (i, j) => [X[i]![0]!, 2 * X[i]![0]!, 0, X[i]![1]!][j]!))
    expect(Math.abs(R[1]![1]!)).toBeLessThan(ROUNDING * R[0]![1]!)
    expect(R[2]![2]).toBe(0)
    check(make(3, 3, () => 0))
  })

  test("an orthonormal matrix comes back, and the input is left as it was", () => {
    const Q = orthonormal(randomMatrix(8, 3, random(2)))
    const flat = Float64Array.from(Q.flat())
    const before = flat.slice()
    expect(deviation(fromFlat(householderQr(flat, [8, 3]).Q, 8, 3), Q)).toBeLessThan(ROUNDING)
    expect(flat).toEqual(before)
  })
})
