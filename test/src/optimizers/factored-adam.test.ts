/**
 * Factored moments within LoRA-Pro's full form: what they are equal to, what they do not depend on, and their manners as a transform.
 * Their numbers, step by step: `lora-pro-trajectories.test.ts`.
 */
import { beforeAll, describe, expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import "@tensorflow/tfjs-backend-wasm"
import { scaleByAdam } from "../../../src/optimizers/adamw/transform.ts"
import { factoredAdam } from "../../../src/optimizers/lora-pro/factored-adam.ts"
import { type LoraProOptions, loraPro, type XChoice } from "../../../src/optimizers/lora-pro/transform.ts"
import { scaleByLearningRate } from "../../../src/optimizers/schedule.ts"
import { chain, type State } from "../../../src/optimizers/transform.ts"
import { type Trainable, tensorsOf } from "../../../src/tensors/trainable.ts"
import { restoredState, storedState } from "../../../src/training/state-tree.ts"
import { describeOn } from "../../backends.ts"
import { descend, type Pair, problemOf, weightOf } from "./descent.ts"
import { describeEverywhere } from "./everywhere.ts"
import {
  combine,
  conditioned,
  deviation,
  inner,
  inverse,
  type Matrix,
  norm,
  orthonormal,
  random,
  randomMatrix,
  rounded,
  times,
  transpose
} from "./matrix.ts"
import { disposeState, matrixOf, pairOf, type Run, takeStep, treeOf } from "./tensors.ts"

const SCALE = 2
const options = { b1: 0.8, b2: 0.95, eps: 1e-8 } as const

const gradientOf = ({ A, B }: Pair, g: Matrix, scale = SCALE) =>
  pairOf(combine([scale, times(transpose(B), g)]), combine([scale, times(g, transpose(A))]), scale)

/** The directions (dA, dB) under gradients of W one after the other, where the factors stay as they are. */
const directionsAt = async (pair: Pair, gradients: ReadonlyArray<Matrix>, within: LoraProOptions) => {
  const transform = loraPro(within)
  const found: Array<Pair> = []
  let state: State = transform.init(treeOf(pairOf(pair.A, pair.B, SCALE)))
  for (const g of gradients) {
    const run = await takeStep(
      transform,
      { params: treeOf(pairOf(pair.A, pair.B, SCALE)), state },
      treeOf(gradientOf(pair, g))
    )
    state = run.state
    const [moved] = run.params.pairs
    found.push({
      A: combine([1, await matrixOf(moved!.A)], [-1, pair.A]),
      B: combine([1, await matrixOf(moved!.B)], [-1, pair.B])
    })
  }
  disposeState(state)
  return found
}

const pairFrom = (next: () => number, r: number, out = 7, columns = 9): Pair => ({
  A: rounded(transpose(conditioned(columns, r, 1, next))),
  B: rounded(conditioned(out, r, 1, next))
})

const laws = (): void => {
  test("where every squared gradient has rank one and the factors stay, u is Adam's", async () => {
    const next = random(1)
    const pair = pairFrom(next, 1)
    // x in the columns of B: the projection on what the factors can do is g itself, and g² is x² beside squares that change
    const gradients = Array.from({ length: 8 }, () => rounded(times(pair.B, randomMatrix(1, 9, next, 10 ** next()))))
    const [own, adam] = await Promise.all([
      directionsAt(pair, gradients, { inner: factoredAdam(options) }),
      directionsAt(pair, gradients, { inner: scaleByAdam(options) })
    ])
    // u is of size 1 and is read off parameters of size 1 (6e-8 of rounding), over products and roots in float32
    const worst = own.map(({ A, B }, i) => Math.max(deviation(A, adam[i]!.A), deviation(B, adam[i]!.B)))
    expect(Math.max(...worst)).toBeLessThan(1e-5)
    // and it is not for gradients of full rank, already at the first step
    const full = [randomMatrix(7, 9, next)]
    const [mine] = await directionsAt(pair, full, { inner: factoredAdam(options) })
    const [other] = await directionsAt(pair, full, { inner: scaleByAdam(options) })
    expect(deviation(mine!.B, other!.B)).toBeGreaterThan(0.05)
  })

  test("β₁ = β₂ = 0: a step remembers nothing", async () => {
    const next = random(2)
    const pair = pairFrom(next, 3)
    const gradients = [randomMatrix(7, 9, next), randomMatrix(7, 9, next, 5)]
    const within = { inner: factoredAdam({ b1: 0, b2: 0 }) }
    const [, second] = await directionsAt(pair, gradients, within)
    const [alone] = await directionsAt(pair, gradients.slice(1), within)
    expect(second).toEqual(alone!)
    const [, remembering] = await directionsAt(pair, gradients, { inner: factoredAdam(options) })
    expect(deviation(remembering!.A, alone!.A)).toBeGreaterThan(0.05)
  })
}

describeEverywhere("factored Adam", laws)
describeOn("webgpu", laws)

describeEverywhere("factored Adam", () => {
  // Sylvester's X is the nearest to the factors' own gradients, which only a turn leaves as near: it shows in the term dB·dA of a step
  for (const [x, what, R] of [
    ["sylvester", "orthogonal", orthonormal(randomMatrix(3, 3, random(4)))],
    ["zero", "invertible", randomMatrix(3, 3, random(4))],
    ["symmetric", "invertible", randomMatrix(3, 3, random(4))]
  ] satisfies ReadonlyArray<readonly [XChoice, string, Matrix]>) {
    test(`x ${x}: (BR, R⁻¹A) takes the steps of BA that (B, A) takes, for any ${what} R, from B = 0 on`, async () => {
      const { problem, start } = problemOf(3)
      const turned = { A: rounded(times(inverse(R), start.A)), B: start.B }
      // δ = 0: a B that is young sees the default one
      const optimizer = chain(loraPro({ x, damping: 0, inner: factoredAdam() }), scaleByLearningRate(0.02))
      const [own, other] = await Promise.all([start, turned].map((pair) => descend(optimizer, problem, pair, 12)))
      const worst = own!.map((pair, i) => deviation(weightOf(problem, other![i]!), weightOf(problem, pair)))
      // Roundings of A (6e-8) reach dA through the inverse of a young BᵀB, cond² of B ≈ 1e3 in the first steps.
      expect(Math.max(...worst)).toBeLessThan(5e-4)
    })
  }
})

describe("factored Adam: laws", () => {
  beforeAll(async () => {
    await tf.setBackend("cpu")
  })

  test("from a state of zeros the loss falls to first order, for every X", async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const next = random(seed)
      const pair = pairFrom(next, 1 + (seed % 4))
      const g = randomMatrix(7, 9, next, 10 ** (2 * next() - 1))
      for (const x of ["sylvester", "zero", "symmetric"] as const) {
        const [direction] = await directionsAt(pair, [g], { inner: factoredAdam(), x })
        const move = combine([SCALE, times(pair.B, direction!.A)], [SCALE, times(direction!.B, pair.A)])
        expect(inner(g, move) / (norm(g) * norm(move))).toBeGreaterThan(0.05)
      }
    }
  })

  test("the first step at B = 0 leaves A where it is, moves B and is finite", async () => {
    const { problem, start } = problemOf(6)
    const optimizer = chain(loraPro({ inner: factoredAdam() }), scaleByLearningRate(0.02))
    const [first] = await descend(optimizer, problem, start, 1)
    expect(first!.A).toEqual(start.A)
    expect(first!.B.flat().every(Number.isFinite)).toBe(true)
    expect(norm(first!.B)).toBeGreaterThan(0)
  })

  test("a pair moves as it does alone, whatever lies beside it", async () => {
    const shapes = [
      [7, 9, 2],
      [5, 6, 3],
      [7, 9, 2]
    ] as const
    const next = random(8)
    const pairs = shapes.map(([out, columns, r]) => pairFrom(next, r, out, columns))
    const gradients = shapes.map(([out, columns]) => [1, 2, 3].map(() => randomMatrix(out, columns, next)))
    const train = async (indices: ReadonlyArray<number>) => {
      const optimizer = chain(loraPro({ inner: factoredAdam() }), scaleByLearningRate(0.01))
      const params = treeOf(...indices.map((i) => pairOf(pairs[i]!.A, pairs[i]!.B, i + 1)))
      let run: Run = { params, state: optimizer.init(params) }
      for (const step of [0, 1, 2]) {
        const tree = treeOf(...indices.map((i) => gradientOf(pairs[i]!, gradients[i]![step]!, i + 1)))
        run = await takeStep(optimizer, run, tree)
      }
      return Promise.all(run.params.pairs.map(async ({ A, B }) => [await matrixOf(A), await matrixOf(B)]))
    }
    const together = await train([0, 1, 2])
    for (const i of [0, 1, 2]) expect(together[i]).toEqual((await train([i]))[0]!)
  })
})

describe("factored Adam as a transform", () => {
  beforeAll(async () => {
    await tf.setBackend("wasm")
  })
  const optimizer = () => chain(loraPro({ inner: factoredAdam() }), scaleByLearningRate(1e-3))
  const tree = (seed: number): Trainable => {
    const next = random(seed)
    const { A, B } = pairFrom(next, 2)
    return {
      pairs: [pairOf(A, B, SCALE)],
      dense: [{ name: "bias", role: "body", value: tf.tensor1d(randomMatrix(1, 4, next)[0]!.slice()) }]
    }
  }

  test("no tensor and no buffer is left behind over 20 steps", async () => {
    const own = optimizer()
    const [params, gradients] = [tree(1), tree(2)]
    let run = await takeStep(own, { params, state: own.init(params) }, gradients)
    const { numTensors, numDataBuffers, numBytes } = tf.memory()
    for (let step = 0; step < 20; step++) run = await takeStep(own, run, gradients)
    const after = tf.memory()
    expect([after.numTensors, after.numDataBuffers, after.numBytes]).toEqual([numTensors, numDataBuffers, numBytes])
  })

  test("a state that was stored and restored goes on with the same bits; dense tensors get Adam as it is", async () => {
    const after = async (interrupted: boolean) => {
      const own = optimizer()
      const params = tree(1)
      let run: Run = { params, state: own.init(params) }
      for (let step = 1; step <= 6; step++) {
        if (interrupted && step === 4) {
          const { tree: stored, tensors } = storedState(run.state)
          const copies = await Promise.all(tensors.map(async (x) => tf.tensor(await x.data(), x.shape)))
          run = { ...run, state: restoredState(JSON.parse(JSON.stringify(stored)), copies) }
        }
        run = await takeStep(own, run, tree(10 + step))
      }
      return Promise.all(tensorsOf(run.params).map(async (x) => Array.from(await x.data())))
    }
    const whole = await after(false)
    expect(await after(true)).toEqual(whole)
    const plain = chain(scaleByAdam(), scaleByLearningRate(1e-3))
    const { dense } = tree(1)
    let run: Run = { params: { pairs: [], dense }, state: plain.init({ pairs: [], dense }) }
    for (let step = 1; step <= 6; step++) run = await takeStep(plain, run, { pairs: [], dense: tree(10 + step).dense })
    expect(whole.at(-1)).toEqual(Array.from(await run.params.dense[0]!.value.data()))
  })
})
