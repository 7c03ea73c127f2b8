/**
 * The kernels of LoRA-Pro against their references, the equations as tfjs ops. (What the references are worth is the business of the
 * laws and the golden values, which run on the kernels too.)
 */
import { beforeEach, expect, test } from "bun:test"
import type { Tensor } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import { ratesAt } from "../../../src/kernels/adam.ts"
import { loraProDirections } from "../../../src/kernels/lora-pro.ts"
import { loraProAdamMoves, type PairStep } from "../../../src/kernels/lora-pro-adam.ts"
import {
  equivalentGradient,
  theorem,
  theoremThrough,
  type Whitening,
  type XChoice
} from "../../../src/kernels/lora-pro-theorem.ts"
import type { FactorPair } from "../../../src/tensors/trainable.ts"
import { type BackendName, describeOn, describeOnEngines } from "../../backends.ts"
import { hasNative } from "../../runtime/runtimes.ts"
import { expectNoLeak, relativeError } from "../../setup.ts"
import { onWasm } from "../device/on-wasm.ts"
import { adamEquations } from "./adam-equations.ts"
import { lists, type PairShape, pairsOf, whiteningsOf, withoutB } from "./lora-pro-pairs.ts"
import { kernelCalls } from "./oracle.ts"
import { poisonHeap } from "./poisoned-heap.ts"

const choices: ReadonlyArray<XChoice> = ["sylvester", "zero", "symmetric"]
/** More than a tile has columns, on every engine. */
const high: PairShape = [90, 70, 37]
const rates = ratesAt({ b1: 0.9, b2: 0.999, eps: 1e-8 }, 2)

/**
 * Relative to the largest entry, between two orders of the same sums: ten times the worst measured (1e-6). Factors of a few random columns
 * have a condition of up to a hundred, by which T_B and T_A enlarge roundings of 6e-8.
 */
const ROUNDING = 1e-5

const largest = async (tensor: Tensor): Promise<number> => Math.max(...(await tensor.data()).map(Math.abs))

/** `beside`: the same for an X with which nothing cancels; without X dB is 0 up to round-off where r = out. */
const compare = async (
  found: ReadonlyArray<Tensor>,
  expected: ReadonlyArray<Tensor>,
  beside = expected
): Promise<void> => {
  expect(found.map(({ shape }) => shape)).toEqual(expected.map(({ shape }) => shape))
  for (const [i, tensor] of found.entries()) {
    const size = Math.max(await largest(expected[i]!), await largest(beside[i]!), Number.MIN_VALUE)
    expect((await largest(tf.sub(tensor, expected[i]!))) / size).toBeLessThan(ROUNDING)
  }
}

const stepsOf = (
  pairs: ReadonlyArray<FactorPair>,
  gradients: ReadonlyArray<FactorPair>,
  whitenings: ReadonlyArray<Whitening>
): ReadonlyArray<PairStep> =>
  pairs.map((pair, i) => ({
    pair,
    gradient: gradients[i]!,
    whitening: whitenings[i]!,
    first: tf.fill([pair.site.out, pair.site.in], 0.3),
    second: tf.fill([pair.site.out, pair.site.in], 0.01)
  }))

/** dA, dB, M', V' of every pair by the reference. */
const expectedMoves = (steps: ReadonlyArray<PairStep>, x: XChoice): ReadonlyArray<Tensor> =>
  steps.flatMap(({ pair, gradient, whitening, first, second }) => {
    const moved = adamEquations(equivalentGradient(pair, gradient, whitening), first, second, rates)
    const { A, B } = theoremThrough(() => moved.u as tf.Tensor2D, pair, gradient, whitening, x)
    return [A, B, moved.first, moved.second]
  })

const foundMoves = (steps: ReadonlyArray<PairStep>, x: XChoice): ReadonlyArray<Tensor> =>
  loraProAdamMoves(steps, x, rates).flatMap(({ A, B, first, second }) => [A, B, first, second])

const foundDirections = (
  pairs: ReadonlyArray<FactorPair>,
  gradients: ReadonlyArray<FactorPair>,
  whitenings: ReadonlyArray<Whitening>,
  x: XChoice
): ReadonlyArray<Tensor> => loraProDirections(pairs, gradients, whitenings, x).flatMap(({ A, B }) => [A, B])

const kernels = (backend: BackendName): void => {
  beforeEach(poisonHeap)

  for (const shapes of [...lists, [high], ...lists.toReversed()]) {
    const name = `${shapes.length} pairs from ${shapes[0]!.join("×")}`

    test(`${name}: directions, for every X`, async () => {
      const [pairs, gradients] = [pairsOf(shapes, "p"), pairsOf(shapes, "g")]
      const whitenings = await whiteningsOf(pairs)
      const expected = (x: XChoice) =>
        pairs.flatMap((pair, i) => {
          const { A, B } = theorem(pair, gradients[i]!, whitenings[i]!, x)
          return [A, B]
        })
      const beside = expected("sylvester")
      for (const x of choices) {
        await compare(foundDirections(pairs, gradients, whitenings, x), expected(x), beside)
      }
    })

    test(`${name}: with Adam inside, for every X`, async () => {
      const [pairs, gradients] = [pairsOf(shapes, "p"), pairsOf(shapes, "g")]
      const steps = stepsOf(pairs, gradients, await whiteningsOf(pairs))
      const beside = expectedMoves(steps, "sylvester")
      for (const x of choices) await compare(foundMoves(steps, x), expectedMoves(steps, x), beside)
    })
  }

  test("at B = 0: dA is 0 and everything is finite", async () => {
    const shapes = lists[0]!
    const [pairs, gradients] = [withoutB(pairsOf(shapes, "p")), pairsOf(shapes, "g")]
    // gA = s·Bᵀg is 0 there
    const start = gradients.map((pair) => ({ ...pair, A: tf.zerosLike(pair.A) }))
    const whitenings = await whiteningsOf(pairs)
    for (const x of choices) {
      const directions = loraProDirections(pairs, start, whitenings, x)
      for (const { A, B } of directions) {
        expect((await A.data()).every((value) => value === 0)).toBe(true)
        expect((await B.data()).some((value) => value !== 0)).toBe(true)
        expect((await B.data()).every(Number.isFinite)).toBe(true)
      }
      const steps = stepsOf(pairs, start, whitenings)
      await compare(foundMoves(steps, x), expectedMoves(steps, x))
    }
  })

  test("r above both sides of W: W moves by g itself", async () => {
    const shapes: ReadonlyArray<PairShape> = [
      [3, 4, 6],
      [5, 2, 7]
    ]
    const pairs = pairsOf(shapes, "p")
    for (const pair of pairs) {
      const { out, in: columns } = pair.site
      const g = tf.randomNormal<tf.Rank.R2>([out, columns], 0, 1, "float32", 3)
      const gradient = {
        A: tf.mul<tf.Tensor2D>(tf.matMul(pair.B, g, true), pair.scale),
        B: tf.mul<tf.Tensor2D>(tf.matMul(g, pair.A, false, true), pair.scale)
      }
      const [moved] = loraProDirections([pair], [gradient], await whiteningsOf([pair]), "zero")
      const move = tf.mul(tf.add(tf.matMul(pair.B, moved!.A), tf.matMul(moved!.B, pair.A)), pair.scale)
      expect(relativeError(await move.data(), await g.data())).toBeLessThan(ROUNDING)
    }
  })

  test("a pair's NaN is its own", async () => {
    const shapes = lists[0]!
    const [pairs, good] = [pairsOf(shapes, "p"), pairsOf(shapes, "g")]
    const gradients = good.map((pair, i) =>
      i === 1 ? { ...pair, A: tf.fill<tf.Rank.R2>(pair.A.shape, Number.NaN) } : pair
    )
    const whitenings = await whiteningsOf(pairs)
    const directions = loraProDirections(pairs, gradients, whitenings, "sylvester")
    const moves = loraProAdamMoves(stepsOf(pairs, gradients, whitenings), "sylvester", rates)
    for (const found of [directions, moves]) {
      for (const [i, { A, B }] of found.entries()) {
        expect((await A.data()).every(Number.isNaN)).toBe(i === 1)
        expect((await A.data()).every(Number.isFinite)).toBe(i !== 1)
        expect((await B.data()).every(Number.isFinite)).toBe(i !== 1)
      }
    }
  })

  test("no pairs", () => {
    expect(loraProDirections([], [], [], "sylvester")).toEqual([])
    expect(loraProAdamMoves([], "sylvester", rates)).toEqual([])
  })

  test("nothing is left behind, and all pairs are one kernel", async () => {
    const [pairs, gradients] = [pairsOf(lists[1]!, "p"), pairsOf(lists[1]!, "g")]
    const whitenings = await whiteningsOf(pairs)
    const steps = stepsOf(pairs, gradients, whitenings)
    const directions = () => tf.dispose([...foundDirections(pairs, gradients, whitenings, "sylvester")])
    const moves = () => tf.dispose([...foundMoves(steps, "sylvester")])
    await expectNoLeak(directions)
    await expectNoLeak(moves)
    if (backend === "wasm") {
      expect([...kernelCalls(directions)]).toEqual([["LoraPro", 1]])
      expect([...kernelCalls(moves)]).toEqual([["LoraProAdam", 1]])
    }
  })
}

describeOn("cpu", () => kernels("cpu"))
describeOnEngines(hasNative, () => kernels("wasm"))

test("the same bits from any number of threads, and from pairs alone", async () => {
  const bits = async (tensors: ReadonlyArray<Tensor>) =>
    (await Promise.all(tensors.map((tensor) => tensor.data()))).map((data) => new Uint32Array(data.slice().buffer))
  const run = (threads: number, together: boolean) =>
    onWasm(
      async () => {
        const shapes = lists[1]!
        const [pairs, gradients] = [pairsOf(shapes, "p"), pairsOf(shapes, "g")]
        const whitenings = await whiteningsOf(pairs)
        const steps = stepsOf(pairs, gradients, whitenings)
        const one = <T>(list: ReadonlyArray<T>, i: number) => list.slice(i, i + 1)
        if (together) {
          const [plain, full] = [
            foundDirections(pairs, gradients, whitenings, "sylvester"),
            foundMoves(steps, "sylvester")
          ]
          return bits([...plain, ...full])
        }
        return bits([
          ...pairs.flatMap((_, i) =>
            foundDirections(one(pairs, i), one(gradients, i), one(whitenings, i), "sylvester")
          ),
          ...steps.flatMap((_, i) => foundMoves(one(steps, i), "sylvester"))
        ])
      },
      { threads }
    )
  const expected = await run(1, true)
  for (const threads of [2, 3]) expect(await run(threads, true)).toEqual(expected)
  expect(await run(1, false)).toEqual(expected)
})
