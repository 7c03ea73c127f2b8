/** The small matrices of LoRA-Pro at the edges: rank 0, rank-deficient, and Grams that round-off made indefinite. */
import { beforeAll, describe, expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import { type Whitening, whiten } from "../../../src/optimizers/whitening.ts"
import { combine, deviation, identity, inverse, type Matrix, times, transpose } from "./matrix.ts"
import { matrixOf } from "./tensors.ts"

beforeAll(async () => {
  await tf.setBackend("cpu")
})

const grams = (BtB: Matrix, AAt: Matrix) => ({
  BtB: Float64Array.from(BtB.flat()),
  AAt: Float64Array.from(AAt.flat())
})

const matricesOf = async (whitening: Whitening) => ({
  TB: await matrixOf(whitening.TB),
  TBgrad: await matrixOf(whitening.TBgrad),
  TAt: await matrixOf(whitening.TAt),
  TAgrad: await matrixOf(whitening.TAgrad),
  S: await matrixOf(whitening.S)
})

// Products of two float32 roundings.
const FLOAT32 = 5e-7

const GRAM: Matrix = [
  [2, 1],
  [1, 3]
]
const ZERO: Matrix = [
  [0, 0],
  [0, 0]
]

describe("whiten", () => {
  test("T Tᵀ is the damped inverse, on both sides, and s⁻² sits where gradients enter", async () => {
    const damping = 0.1
    const other: Matrix = [
      [5, -2],
      [-2, 1]
    ]
    const { TB, TBgrad, TAt, TAgrad } = await matricesOf(whiten(grams(GRAM, other), 4, damping).whitening)
    const inverseOf = (gram: Matrix) => inverse(combine([1, gram], [damping, identity(2)]))
    expect(deviation(times(TB, transpose(TB)), inverseOf(GRAM))).toBeLessThan(FLOAT32)
    expect(deviation(times(transpose(TAt), TAt), inverseOf(other))).toBeLessThan(FLOAT32)
    expect(deviation(TBgrad, combine([1 / 16, transpose(TB)]))).toBeLessThan(FLOAT32)
    expect(deviation(TAgrad, combine([1 / 16, transpose(TAt)]))).toBeLessThan(FLOAT32)
  })

  test("rank 0 on both sides: a zero denominator gives 0", async () => {
    const damped = await matricesOf(whiten(grams(ZERO, ZERO), 1, 1e-8).whitening)
    expect(damped.S).toEqual(ZERO)
    expect(deviation(damped.TB, combine([1e4, identity(2)]))).toBeLessThan(FLOAT32)
  })

  test("without damping the inverse of 0 is 0, as in the pseudo-inverse", async () => {
    const gram: Matrix = [
      [4, 0],
      [0, 0]
    ]
    const { TB } = await matricesOf(whiten(grams(gram, GRAM), 1, 0).whitening)
    expect(times(TB, transpose(TB))).toEqual([
      [0.25, 0],
      [0, 0]
    ])
  })

  test("an eigenvalue that round-off made negative counts as 0", async () => {
    const gram: Matrix = [
      [1, 0],
      [0, -3e-9]
    ]
    const { whitening, smallest } = whiten(grams(gram, gram), 1, 1e-8)
    expect(smallest).toBe(0)
    const { TB, S } = await matricesOf(whitening)
    expect(Math.max(...TB.flat())).toBeCloseTo(1e4, 1)
    expect(S[0]![0]).toBe(0)
  })
})
