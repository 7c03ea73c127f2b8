/**
 * LoRA-Pro in float64, from the factors to the directions: eigenbases of float64 Grams, and the theorem on matrices.
 * And factor pairs as badly conditioned as one likes.
 */
import type { Tensor2D } from "@tensorflow/tfjs"
import type { AdamRates } from "../../../../src/kernels/adam.ts"
import type { XChoice } from "../../../../src/kernels/lora-pro-theorem.ts"
import { symmetricEigen } from "../../../../src/linalg/symmetric-eigen.ts"
import type { FactorPair } from "../../../../src/tensors/trainable.ts"
import {
  combine,
  fromFlat,
  type Matrix,
  make,
  orthonormal,
  product,
  rounded,
  times,
  transpose
} from "../../optimizers/matrix.ts"
import { tensorOf } from "../../optimizers/tensors.ts"
import { normals } from "../float64.ts"

/** A pair with its gradients, all of them numbers that float32 holds; the gradients those of one g [out, in]. */
export interface Sample {
  readonly A: Matrix
  readonly B: Matrix
  readonly gA: Matrix
  readonly gB: Matrix
  readonly scale: number
}

const randomMatrix = (rows: number, columns: number, name: string): Matrix =>
  fromFlat(normals(rows * columns, name), rows, columns)

/** B has singular values from 1 down to 1/condition, evenly on a logarithmic scale, and those of A lie around 1. */
export const sampleOf = (
  [out, columns, r]: readonly [number, number, number],
  condition: number,
  scale: number,
  name: string
): Sample => {
  const left = orthonormal(randomMatrix(out, r, `${name} left`))
  const right = orthonormal(randomMatrix(r, r, `${name} right`))
  const values = make(r, r, (i, j) => (i === j ? condition ** (-i / Math.max(1, r - 1)) : 0))
  const B = rounded(times(left, values, transpose(right)))
  return withGradients(rounded(combine([columns ** -0.5, randomMatrix(r, columns, `${name} A`)])), B, scale, name)
}

/** The gradients of a random g: gA = s·Bᵀg and gB = s·g·Aᵀ. */
export const withGradients = (A: Matrix, B: Matrix, scale: number, name: string): Sample => {
  const g = randomMatrix(B.length, A[0]!.length, `${name} g`)
  const gA = rounded(combine([scale, product(transpose(B), g)]))
  const gB = rounded(combine([scale, product(g, transpose(A))]))
  return { A, B, gA, gB, scale }
}

export const pairOf = ({ A, B, scale }: Sample, name: string): FactorPair => ({
  site: { name, kind: "dense", out: B.length, in: A[0]!.length },
  A: tensorOf(A),
  B: tensorOf(B),
  scale
})

export const gradientOf = ({ gA, gB }: Sample): { readonly A: Tensor2D; readonly B: Tensor2D } => ({
  A: tensorOf(gA),
  B: tensorOf(gB)
})

export interface Spectrum {
  readonly values: ReadonlyArray<number>
  readonly T: Matrix
}

/** U (Λ+δ)^-½ of the Gram of M's columns. */
export const spectrumOf = (M: Matrix, damping: number): Spectrum => {
  const gram = product(transpose(M), M)
  const r = gram.length
  const { values, vectors } = symmetricEigen(gram.flat(), r)
  const clamped = Array.from(values, (value) => Math.max(value, 0))
  const factor = clamped.map((value) => (value + damping > 0 ? 1 / Math.sqrt(value + damping) : 0))
  return { values: clamped, T: make(r, r, (i, j) => vectors[i * r + j]! * factor[j]!) }
}

interface Coordinates {
  readonly a: Matrix
  readonly b: Matrix
}

const whitened = ({ A, B }: Sample, damping: number) => {
  const [b, a] = [spectrumOf(B, damping), spectrumOf(transpose(A), damping)]
  return { TB: b.T, TA: a.T, lambda: b.values, mu: a.values, Q: product(B, b.T), R: product(transpose(a.T), A) }
}

type Whitened = ReturnType<typeof whitened>

const coordinatesOf = ({ gA, gB, scale }: Sample, { TB, TA }: Whitened): Coordinates => ({
  a: combine([scale ** -2, product(transpose(TB), gA)]),
  b: combine([scale ** -2, product(gB, TA)])
})

const pullBack = ({ a, b }: Coordinates, w: Whitened, damping: number, x: XChoice) => {
  const { TB, TA, lambda, mu, Q, R } = w
  const N = product(transpose(Q), b)
  const P = product(a, transpose(R))
  const split = (i: number, j: number) => {
    const sum = lambda[i]! + mu[j]!
    return sum > 0 ? ((mu[j]! + damping) / sum) * P[i]![j]! : 0
  }
  const r = N.length
  const Y = make(r, r, x === "zero" ? () => 0 : x === "symmetric" ? (i, j) => N[i]![j]! / 2 : split)
  return {
    A: product(TB, combine([1, a], [-1, product(Y, R)])),
    B: product(combine([1, b], [-1, product(Q, combine([1, N], [-1, Y]))]), transpose(TA))
  }
}

/** dA and dB. */
export const directionsInFloat64 = (sample: Sample, damping: number, x: XChoice) => {
  const w = whitened(sample, damping)
  return pullBack(coordinatesOf(sample, w), w, damping, x)
}

/** dA, dB, M' and V' with Adam inside. */
export const movesInFloat64 = (
  sample: Sample,
  damping: number,
  x: XChoice,
  M: Matrix,
  V: Matrix,
  { b1, b2, c, e }: AdamRates
) => {
  const w = whitened(sample, damping)
  const { Q, R } = w
  const { a, b } = coordinatesOf(sample, w)
  const rest = combine([1, b], [-1, times(Q, transpose(Q), b)])
  const g = combine([sample.scale, product(Q, a)], [sample.scale, product(rest, R)])
  const first = make(g.length, g[0]!.length, (i, j) => b1 * M[i]![j]! + g[i]![j]!)
  const second = make(g.length, g[0]!.length, (i, j) => b2 * V[i]![j]! + g[i]![j]! ** 2)
  const u = make(g.length, g[0]!.length, (i, j) => first[i]![j]! / (Math.sqrt(second[i]![j]!) * c + e))
  const per = 1 / sample.scale
  const pulled = { a: combine([per, product(transpose(Q), u)]), b: combine([per, product(u, transpose(R))]) }
  return { ...pullBack(pulled, w, damping, x), first, second }
}
