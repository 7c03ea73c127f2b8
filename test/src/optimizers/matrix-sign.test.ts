/** The matrix sign's singular values against the stated ones, on matrices made of known singular vectors in float64. */
import { expect, test } from "bun:test"
import type { Tensor2D, Tensor3D } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import { signsOfSquare, signsOfThin } from "../../../src/optimizers/matrix-sign.ts"
import { describeEverywhere } from "./everywhere.ts"
import { deviation, type Matrix, make, maxAbs, orthonormal, random, randomMatrix, times, transpose } from "./matrix.ts"
import { matrixOf, tensorOf } from "./tensors.ts"

/**
 * σ relative to the Frobenius norm, what the eight polynomials make of it, and by how much float32 may miss that: three times the worst
 * measured. Rounded to float32, a matrix has its small singular values and their vectors to 1e-7 / σ.
 */
const STATED = [
  // the norm is 1 with this one
  [0.99994988, 1, 1e-6],
  [1e-2, 1, 1e-6],
  [8e-4, 1, 2e-5],
  [5e-4, 0.999917, 2e-5],
  [3e-4, 0.981903, 4e-5],
  [1e-4, 0.570118, 4e-4]
] as const

const [r, n] = [STATED.length, 20]
const vectors = (rows: number, seed: number) => orthonormal(randomMatrix(rows, r, random(seed)))
const diagonal = (values: ReadonlyArray<number>): Matrix => make(r, r, (i, j) => (i === j ? values[i]! : 0))

const stackOf = (...matrices: ReadonlyArray<Matrix>) => tf.stack(matrices.map(tensorOf)) as Tensor3D
const listOf = (stack: Tensor3D) => Promise.all(tf.unstack(stack).map((one) => matrixOf(one as Tensor2D)))

describeEverywhere("the matrix sign", () => {
  const [U, V] = [vectors(r, 1), vectors(n, 2)]
  const sigmas = diagonal(STATED.map(([sigma]) => sigma))

  test("of thin matrices: each singular value becomes what is stated, singular vectors stay", async () => {
    const wide = times(U, sigmas, transpose(V))
    const { A, B } = signsOfThin({ A: stackOf(wide), B: stackOf(transpose(wide)) })
    const [[a], [b]] = await Promise.all([listOf(A), listOf(B)])
    for (const sign of [a!, transpose(b!)]) {
      const inner = times(transpose(U), sign, V)
      STATED.forEach(([, stated, error], i) => {
        expect(Math.abs(inner[i]![i]! - stated)).toBeLessThan(error)
      })
    }
  })

  test("of square matrices likewise", async () => {
    const W = vectors(r, 3)
    const square = times(U, sigmas, transpose(W))
    const [sign, again, zero, none] = await listOf(
      signsOfSquare(
        stackOf(
          square,
          square.map((row) => row.map((x) => 1e9 * x)),
          diagonal([0, 0, 0, 0, 0, 0]),
          diagonal([1, Number.NaN, 1, 1, 1, 1])
        )
      )
    )
    const inner = times(transpose(U), sign!, W)
    // in float32 from the start: an error of 1e-7 of X is one of 1e-4 of what is 1e-3 of it
    STATED.forEach(([, stated, error], i) => {
      expect(Math.abs(inner[i]![i]! - stated)).toBeLessThan(10 * error)
    })
    expect(deviation(again!, sign!)).toBeLessThan(2e-3)
    expect(maxAbs(zero!)).toBe(0)
    expect(none!.flat().every(Number.isNaN)).toBe(true)
  })

  test("the size of a matrix does not matter, and each of a stack is for itself", async () => {
    const wide = times(U, diagonal([5, 4, 3, 2, 1, 1]), transpose(V))
    const sizes = [1, 1e-12, 1e12]
    const scaled = stackOf(...sizes.map((size) => wide.map((row) => row.map((x) => size * x))))
    const signs = await listOf(signsOfThin({ A: scaled, B: tf.transpose(scaled, [0, 2, 1]) }).A)
    // rounding of the matrix and of three products
    for (const sign of signs) expect(deviation(sign, times(U, transpose(V)))).toBeLessThan(2e-6)
  })

  test("0 stays 0, and what is no number is none", async () => {
    const zero = make(r, n, () => 0)
    const none = make(r, n, (i, j) => (i === 1 && j === 2 ? Number.NaN : 1 + i * j))
    const stack = stackOf(zero, none)
    const [zeros, nones] = await listOf(signsOfThin({ A: stack, B: tf.transpose(stack, [0, 2, 1]) }).A)
    expect(zeros).toEqual(zero)
    expect(nones!.flat().every(Number.isNaN)).toBe(true)
  })
})
