/** Sums of low-rank products: against dense matrices, and against the bound that no matrix of the rank can pass. */
import { describe, expect, test } from "bun:test"
import { type Product, squaredDistance, squaredNorm, summed, truncated } from "../../../src/layers-model/low-rank.ts"
import { truncatedSvd } from "../../../src/linalg/truncated-svd.ts"
import { random } from "../device/on-wasm.ts"

const drawn = (rank: number, [out, inputs]: readonly [number, number], seed: number): Product => {
  const next = random(seed)
  const matrix = (size: number) => Float64Array.from({ length: size }, () => 2 * next() - 1)
  return { rank, A: matrix(rank * inputs), B: matrix(out * rank) }
}

const dense = ({ A, B, rank }: Product, [out, inputs]: readonly [number, number]): Float64Array => {
  const W = new Float64Array(out * inputs)
  for (let i = 0; i < out; i++) {
    for (let j = 0; j < inputs; j++) {
      for (let k = 0; k < rank; k++) W[i * inputs + j]! += B[i * rank + k]! * A[k * inputs + j]!
    }
  }
  return W
}

const norm = (W: ArrayLike<number>): number => Math.sqrt(Array.from(W).reduce((sum, x) => sum + x * x, 0))
const minus = (one: Float64Array, other: Float64Array) => one.map((x, i) => x - other[i]!)

const sizes: ReadonlyArray<readonly [number, number]> = [
  [9, 7],
  [3, 12],
  [12, 3],
  [1, 6]
]

describe.each(sizes.map((size) => [size] as const))("[%p]", (size) => {
  const [a, b] = [drawn(2, size, 1), drawn(3, size, 2)]
  const sum = summed(
    [
      [0.5, a],
      [-2, b]
    ],
    size
  )
  const whole = dense(sum, size)
  const most = Math.min(...size, 5)

  test("the sum is that of the matrices", () => {
    const expected = dense(a, size).map((x, i) => 0.5 * x - 2 * dense(b, size)[i]!)
    expect(norm(minus(whole, expected))).toBeLessThan(1e-14 * norm(expected))
  })

  test("norms and distances are those of the matrices", () => {
    expect(Math.sqrt(squaredNorm(sum, size))).toBeCloseTo(norm(whole), 12)
    expect(Math.sqrt(squaredDistance(sum, a, size))).toBeCloseTo(norm(minus(whole, dense(a, size))), 12)
    expect(Math.sqrt(squaredDistance(sum, sum, size))).toBeLessThan(1e-13 * norm(whole))
  })

  test("no matrix of the rank comes nearer (Eckart & Young)", () => {
    const { S } = truncatedSvd(whole, size, most)
    for (let rank = 1; rank <= most; rank++) {
      const cut = truncated(sum, size, rank)
      expect([cut.A.length, cut.B.length]).toEqual([rank * size[1], rank * size[0]])
      const left = norm(minus(whole, dense(cut, size)))
      expect(Math.abs(left - norm(S.subarray(rank)))).toBeLessThan(1e-12 * norm(whole))
      expect(Math.abs(Math.sqrt(squaredDistance(sum, cut, size)) - left)).toBeLessThan(1e-12 * norm(whole))
    }
  })
})
