/** The whitening kernel: what its matrices have to satisfy in float64, against the host's, and at the edges. */
import { beforeEach, expect, test } from "bun:test"
import type { Tensor } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import { whitenedOnDevice } from "../../../src/kernels/whitening.ts"
import { gramsOnHost, whiten, whitenPairs } from "../../../src/optimizers/whitening.ts"
import type { FactorPair } from "../../../src/tensors/trainable.ts"
import { describeOnEngines } from "../../backends.ts"
import { hasNative } from "../../runtime/runtimes.ts"
import { expectNoLeak } from "../../setup.ts"
import { combine, deviation, identity, inverse, make, maxAbs, times, transpose } from "../optimizers/matrix.ts"
import { matrixOf } from "../optimizers/tensors.ts"
import { lists, type PairShape, pairsOf, withoutB } from "./lora-pro-pairs.ts"
import { poisonHeap } from "./poisoned-heap.ts"
import { expectSameBits } from "./same-bits.ts"

/** Products of two float32 roundings, as a backward error (see `check`): ten times the worst measured. */
const FLOAT32 = 1e-6

/** What was made of float32 numbers by a subtraction or a division: ten times the worst measured (1e-6). */
const CANCELLED = 1e-5

const tensorsOf = (pairs: ReadonlyArray<FactorPair>, damping: number): ReadonlyArray<Tensor> => {
  const { whitenings, smallest } = whitenedOnDevice(pairs, damping)!
  return [...whitenings.flatMap((w) => Object.values(w)), smallest]
}

/** T Tᵀ against the damped inverse, after multiplying by what it is the inverse of; S and the smallest eigenvalue from what T is. */
const check = async (pair: FactorPair, damping: number) => {
  const { whitenings, smallest } = whitenedOnDevice([pair], damping)!
  const [w] = whitenings
  const [A, B] = [await matrixOf(pair.A), await matrixOf(pair.B)]
  const r = A.length
  const [TB, TAt] = [await matrixOf(w!.TB), await matrixOf(w!.TAt)]
  const damped = (gram: typeof A) => combine([1, gram], [damping, identity(r)])
  const [BtB, AAt] = [damped(times(transpose(B), B)), damped(times(A, transpose(A)))]
  for (const [T, gram] of [
    [TB, BtB],
    [transpose(TAt), AAt]
  ] as const) {
    // Tᵀ G T = I whatever the condition of G, up to T's rounding: |Tᵀ|·|G|·|T| says how much of it there can be
    const absolute = (m: typeof A) => m.map((row) => row.map(Math.abs))
    const error = maxAbs(combine([1, times(transpose(T), gram, T)], [-1, identity(r)]))
    expect(error / maxAbs(times(absolute(transpose(T)), absolute(gram), absolute(T)))).toBeLessThan(FLOAT32)
  }
  const perScale = 1 / pair.scale ** 2
  expect(deviation(await matrixOf(w!.TBgrad), combine([perScale, transpose(TB)]))).toBeLessThan(FLOAT32)
  expect(deviation(await matrixOf(w!.TAgrad), combine([perScale, transpose(TAt)]))).toBeLessThan(FLOAT32)
  // a column of T has the length 1/√(λ+δ)
  const lambda = times(transpose(TB), TB).map((row, i) => 1 / row[i]! - damping)
  const mu = times(TAt, transpose(TAt)).map((row, i) => 1 / row[i]! - damping)
  const S = make(r, r, (i, j) => (mu[j]! + damping) / (lambda[i]! + mu[j]!))
  expect(deviation(await matrixOf(w!.S), S)).toBeLessThan(FLOAT32)
  const [found] = await smallest.data()
  expect(Math.abs(found! / Math.min(...lambda) - 1)).toBeLessThan(CANCELLED)
}

const orders: ReadonlyArray<ReadonlyArray<PairShape>> = [...lists.slice(0, 2), ...lists.slice(0, 2).toReversed()]

describeOnEngines(hasNative, () => {
  beforeEach(poisonHeap)

  for (const shapes of orders) {
    test(`${shapes.map((shape) => shape.join("×")).join(", ")}: the damped inverses' roots and S`, async () => {
      for (const pair of pairsOf(shapes, "w")) for (const damping of [0, 1e-2]) await check(pair, damping)
    })
  }

  test("many pairs, in more than one piece of work, are those pairs alone", async () => {
    const pairs = pairsOf(lists[2]!, "w")
    const together = await Promise.all(tensorsOf(pairs, 1e-8).map((tensor) => tensor.data()))
    for (const i of [0, 1, 40, 79]) {
      const alone = await Promise.all(tensorsOf([pairs[i]!], 1e-8).map((tensor) => tensor.data()))
      expect(together.slice(5 * i, 5 * i + 5)).toEqual(alone.slice(0, 5))
      expect(together.at(-1)![i]).toBe(alone.at(-1)![0])
    }
  })

  test("rank 64: as the host makes it, up to signs and order", async () => {
    const [pair] = pairsOf([[96, 80, 64]], "large")
    await check(pair!, 1e-8)
    const [grams] = await Effect.runPromise(gramsOnHost([pair!]))
    const host = whiten(grams!, pair!.scale, 1e-8)
    const found = await Effect.runPromise(whitenPairs([pair!], 1e-8))
    // stored as float32
    expect(Math.abs((await found.smallest.data())[0]! / host.smallest - 1)).toBeLessThan(1e-6)
    const [mine, theirs] = [await matrixOf(found.whitenings[0]!.TB), await matrixOf(host.whitening.TB)]
    expect(deviation(times(mine, transpose(mine)), times(theirs, transpose(theirs)))).toBeLessThan(FLOAT32)
  })

  // a tridiagonal matrix finds these (`c/tridiagonal.h`); an odd rank, and one that leaves two of four vectors
  test("ranks 65 and 30: the damped inverses' roots and S", async () => {
    for (const pair of pairsOf(
      [
        [200, 150, 65],
        [90, 101, 30]
      ],
      "high"
    )) {
      for (const damping of [0, 1e-2]) await check(pair, damping)
    }
  })

  // what it must leave to Jacobi's method, or take apart: eigenvalues that are all the same, some that are, and one that is 0
  for (const [what, rank, of] of [
    ["orthonormal columns", 32, (i: number, j: number) => (i === j ? 0.5 : 0)],
    ["columns of the same lengths in twos", 32, (i: number, j: number) => (i === j ? 1 + (j >> 1) : 0)],
    ["two equal blocks", 32, (i: number, j: number) => (i >> 4 === j >> 4 ? Math.sin(1 + (i & 15) * (j & 15)) : 0)],
    [
      "two blocks that are nearly equal",
      32,
      (i: number, j: number) => (i >> 4 === j >> 4 ? Math.sin(1 + (i & 15) * (j & 15)) : 1e-6)
    ],
    ["a column of zeros", 31, (i: number, j: number) => (j === 7 ? 0 : Math.sin(1 + i * j))],
    ["nothing at all", 0, () => 0]
  ] as const) {
    test(`rank 32, ${what}: an orthonormal basis`, async () => {
      const [pair] = pairsOf([[48, 40, 32]], "special")
      const special = { ...pair!, B: tf.tensor2d(make(48, 32, of).flat(), [48, 32]) }
      const { whitenings, smallest } = whitenedOnDevice([special], 0)!
      const Q = times(await matrixOf(special.B), await matrixOf(whitenings[0]!.TB))
      const found = times(transpose(Q), Q)
      // a column that is 0 has no direction
      const expected = make(32, 32, (i, j) => (i === j && found[i]![i]! > 0.5 ? 1 : 0))
      expect(maxAbs(combine([1, found], [-1, expected]))).toBeLessThan(CANCELLED)
      expect(expected.filter((row, i) => row[i] === 1)).toHaveLength(rank)
      expect((await smallest.data())[0]! > 0).toBe(rank === 32)
    })
  }

  test("rank 32, one column of 1e-6: λ_min keeps its digits", async () => {
    const [pair] = pairsOf([[80, 40, 32]], "small")
    const lengths = Array.from({ length: 32 }, (_, i) => (i === 9 ? 1e-6 : 1))
    const B = tf.mul<tf.Tensor2D>(pair!.B, tf.tensor2d(lengths, [1, 32]))
    const found = (await whitenedOnDevice([{ ...pair!, B }], 0)!.smallest.data())[0]!
    const Bm = await matrixOf(B)
    // the others' share of it is 1e-12
    expect(Math.abs(found * inverse(times(transpose(Bm), Bm))[9]![9]! - 1)).toBeLessThan(FLOAT32)
  })

  test("graded columns: the small eigenvalues keep their digits", async () => {
    const [pair] = pairsOf([[40, 30, 4]], "graded")
    const B = tf.mul<tf.Tensor2D>(pair!.B, tf.tensor2d([1, 1e-2, 1e-4, 1e-6], [1, 4]))
    const graded = { ...pair!, B }
    const [TB] = whitenedOnDevice([graded], 0)!.whitenings.map((w) => w.TB)
    const Bm = await matrixOf(B)
    const expected = inverse(times(transpose(Bm), Bm))
    const T = await matrixOf(TB!)
    const found = times(T, transpose(T))
    // entry by entry, each beside its own size
    for (let i = 0; i < 4; i++) expect(Math.abs(found[i]![i]! / expected[i]![i]! - 1)).toBeLessThan(FLOAT32)
  })

  test("B = 0: no directions of B, those of A as ever, and a smallest eigenvalue of 0", async () => {
    const pairs = withoutB(pairsOf(lists[0]!, "w"))
    const { whitenings, smallest } = whitenedOnDevice(pairs, 1e-8)!
    expect(Array.from(await smallest.data())).toEqual(pairs.map(() => 0))
    for (const [i, w] of whitenings.entries()) {
      expect((await w.TB.data()).every((value) => value === 0)).toBe(true)
      const A = await matrixOf(pairs[i]!.A)
      const R = times(await matrixOf(w.TAt), A)
      expect(maxAbs(combine([1, times(R, transpose(R))], [-1, identity(A.length)]))).toBeLessThan(CANCELLED)
      // (μ+δ)/(0+μ)
      expect((await w.S.data()).every((value) => Math.abs(value - 1) < CANCELLED)).toBe(true)
    }
  })

  test("both factors 0, and δ with them: everything is 0", async () => {
    const [pair] = pairsOf([[4, 5, 3]], "zero", 0)
    for (const tensor of tensorsOf([pair!], 0)) expect((await tensor.data()).every((value) => value === 0)).toBe(true)
  })

  test("more columns than rows: as many directions as rows, each of length 1", async () => {
    const [pair] = pairsOf([[3, 4, 6]], "wide")
    const { whitenings, smallest } = whitenedOnDevice([pair!], 1e-8)!
    expect(Array.from(await smallest.data())).toEqual([0])
    const Q = times(await matrixOf(pair!.B), await matrixOf(whitenings[0]!.TB))
    expect(maxAbs(combine([1, times(Q, transpose(Q))], [-1, identity(3)]))).toBeLessThan(CANCELLED)
    const R = times(await matrixOf(whitenings[0]!.TAt), await matrixOf(pair!.A))
    expect(maxAbs(combine([1, times(transpose(R), R)], [-1, identity(4)]))).toBeLessThan(CANCELLED)
  })

  test("a factor that is not finite makes its own pair NaN", async () => {
    const good = pairsOf(lists[0]!.slice(0, 3), "w")
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const pairs = good.map((pair, i) => (i === 1 ? { ...pair, A: tf.fill<tf.Rank.R2>(pair.A.shape, bad) } : pair))
      const { whitenings, smallest } = whitenedOnDevice(pairs, 1e-8)!
      expect(Array.from(await smallest.data(), Number.isNaN)).toEqual([false, true, false])
      for (const [i, w] of whitenings.entries()) {
        for (const tensor of Object.values(w)) expect((await tensor.data()).every(Number.isNaN)).toBe(i === 1)
      }
    }
  })

  test("nothing is left behind; no pairs need no whitening", async () => {
    const pairs = pairsOf(lists[1]!, "w")
    await expectNoLeak(() => tf.dispose([...tensorsOf(pairs, 1e-8)]))
    await expectNoLeak(async () => {
      const { whitenings, smallest } = await Effect.runPromise(whitenPairs(pairs, 1e-8))
      tf.dispose([...whitenings, smallest])
    })
    const none = await Effect.runPromise(whitenPairs([], 1e-8))
    expect(none.whitenings).toEqual([])
    expect(none.smallest.shape).toEqual([0])
  })
})

test("a backend without an engine has no such kernel", async () => {
  await tf.setBackend("cpu")
  expect(whitenedOnDevice(pairsOf([[2, 2, 1]], "w"), 1e-8)).toBeUndefined()
})

test("the same bits from any number of threads", () =>
  expectSameBits(() => tensorsOf(pairsOf([...lists[1]!, [60, 50, 33]], "w"), 1e-8)))
