/** Functions of Gram matrices by their definitions, and stacks as a way there and back. */
import { expect, test } from "bun:test"
import type { Tensor2D } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import { gramSpectra, symmetric } from "../../../src/optimizers/gram-spectra.ts"
import { stackedFactors, stacksOf, unstackedFactors } from "../../../src/optimizers/stacks.ts"
import { describeEverywhere } from "./everywhere.ts"
import { combine, deviation, identity, inverse, type Matrix, make, times, transpose } from "./matrix.ts"
import { matrixOf, pairOf } from "./tensors.ts"

const wave = (rows: number, columns: number, phase: number): Matrix =>
  make(rows, columns, (i, j) => Math.sin(1 + phase + 3 * i + 7 * j + i * j))

const [r, outputs, inputs] = [3, 7, 5]
const pairs = () => [0, 1, 2].map((phase) => pairOf(wave(r, inputs, phase), wave(outputs, r, 10 + phase)))

const first = (stack: tf.Tensor3D) => matrixOf(tf.unstack(stack)[0]! as Tensor2D)

// A Gram in float64, its eigenvectors rounded to float32, and two products of them.
const FLOAT32 = 2e-6

describeEverywhere("gram spectra", () => {
  test("1 of the Gram is the projector's core: (BᵀB)⁻¹ and (AAᵀ)⁻¹", async () => {
    const [stack] = stacksOf(pairs())
    const { A, B } = gramSpectra(stackedFactors(stack!, pairs()))
    const inverseOf = (values: tf.Tensor3D) => tf.reciprocal(values)
    const [a, b] = [wave(r, inputs, 0), wave(outputs, r, 10)]
    expect(deviation(await first(symmetric(A, inverseOf)), inverse(times(a, transpose(a))))).toBeLessThan(FLOAT32)
    expect(deviation(await first(symmetric(B, inverseOf)), inverse(times(transpose(b), b)))).toBeLessThan(FLOAT32)
    const root = await first(symmetric(B, (values) => tf.sqrt(values)))
    expect(deviation(times(root, root), times(transpose(b), b))).toBeLessThan(FLOAT32)
    expect(deviation(root, transpose(root))).toBeLessThan(FLOAT32)
  })

  test("damping is added to the eigenvalues", async () => {
    const [stack] = stacksOf(pairs())
    const { B } = gramSpectra(stackedFactors(stack!, pairs()), 0.5)
    const b = wave(outputs, r, 10)
    const damped = combine([1, times(transpose(b), b)], [0.5, identity(r)])
    expect(deviation(await first(symmetric(B, (values) => values)), damped)).toBeLessThan(FLOAT32)
  })

  test("what is 0 stays 0, and what is no number stays none", async () => {
    const zero = pairOf(
      make(r, inputs, () => 0),
      make(outputs, r, () => 0)
    )
    const [stack] = stacksOf([zero])
    const { A } = gramSpectra(stackedFactors(stack!, [zero]))
    expect(await first(symmetric(A, (values) => tf.reciprocal(values)))).toEqual(make(r, r, () => 0))
    const none = pairOf(
      make(r, inputs, () => Number.NaN),
      wave(outputs, r, 0)
    )
    const { A: lost } = gramSpectra(stackedFactors(stack!, [none]))
    expect((await first(symmetric(lost, (values) => values))).flat().every(Number.isNaN)).toBe(true)
  })
})

describeEverywhere("stacks", () => {
  test("pairs of one shape are together, and come back to their places", async () => {
    const other = pairOf(wave(2, inputs, 5), wave(outputs, 2, 6))
    const taller = pairOf(wave(r, inputs, 7), wave(outputs + 1, r, 8))
    const [one, two] = pairs()
    const mixed = [one!, other, two!, taller]
    const stacks = stacksOf(mixed)
    expect(stacks).toEqual([
      { indices: [0, 2], rank: r, in: inputs, out: outputs },
      { indices: [1], rank: 2, in: inputs, out: outputs },
      { indices: [3], rank: r, in: inputs, out: outputs + 1 }
    ])
    const back = unstackedFactors(
      stacks,
      stacks.map((stack) => stackedFactors(stack, mixed))
    )
    for (const [i, { A, B }] of back.entries()) {
      expect(await matrixOf(A)).toEqual(await matrixOf(mixed[i]!.A))
      expect(await matrixOf(B)).toEqual(await matrixOf(mixed[i]!.B))
    }
  })
})
