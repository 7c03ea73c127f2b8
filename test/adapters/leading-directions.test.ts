/** Leading singular directions with the products on the device: near the exact ones on the host, and what has none is told. */
import { expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import { leadingDirections } from "../../adapters/init/leading-directions.ts"
import { truncatedSvd } from "../../src/linalg/truncated-svd.ts"
import { randomStream } from "../../src/numbers/random.ts"
import { describeOnEach } from "../backends.ts"
import { expectNoLeak } from "../setup.ts"
import {
  deviation,
  fromFlat,
  identity,
  type Matrix,
  make,
  orthonormal,
  random,
  randomMatrix,
  times,
  transpose
} from "../src/optimizers/matrix.ts"
import { tensorOf } from "../src/optimizers/tensors.ts"

const RANK = 4

/** [m, n] with singular values 3, 3·0.8, 3·0.8², … */
const matrix = (m: number, n: number): Matrix => {
  const k = Math.min(m, n)
  const next = random(m)
  const sigma = make(k, k, (i, j) => (i === j ? 3 * 0.8 ** i : 0))
  return times(orthonormal(randomMatrix(m, k, next)), sigma, transpose(orthonormal(randomMatrix(n, k, next))))
}

const find = (G: Matrix, seed = 0) =>
  Effect.runPromise(leadingDirections(tensorOf(G), RANK, randomStream(seed), "a matrix"))

describeOnEach(() => {
  // wide, tall, and so small that nothing is random
  for (const [m, n] of [
    [40, 60],
    [60, 40],
    [14, 30]
  ] as const) {
    test(`[${m}, ${n}]: the leading directions`, () =>
      expectNoLeak(async () => {
        const G = matrix(m, n)
        const found = await find(G)
        if (typeof found === "string") throw new Error(found)
        const exact = truncatedSvd(Float32Array.from(G.flat()), [m, n], RANK)
        for (const [name, rows] of [
          ["U", m],
          ["V", n]
        ] as const) {
          const own = fromFlat(found[name], rows, RANK)
          // roundings of float32 products turn a direction by ε‖G‖ over its distance to the next, 0.2·σ; signs are the same. What is
          // beyond the 14 directions that are looked at falls by (σ₁₅/σ₄)^9 = 3e-10
          expect(deviation(own, fromFlat(exact[name], rows, RANK))).toBeLessThan(1e-5)
          // U and V come out of float64, L and R as orthonormal as their rounding to float32
          expect(deviation(times(transpose(own), own), identity(RANK))).toBeLessThan(1e-6)
        }
        expect(deviation([[...found.S]], [[...exact.S]])).toBeLessThan(1e-6)
        expect(await find(G)).toEqual(found)
      }))

    test(`[${m}, ${n}]: zero, and entries that are not finite`, () =>
      expectNoLeak(async () => {
        expect(await find(make(m, n, () => 0))).toBe("zero")
        for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
          expect(await find(matrix(m, n).map((row, i) => row.map((x, j) => (i === 7 && j === 9 ? bad : x))))).toBe(
            "not finite"
          )
        }
      }))
  }
})
