/**
 * Adam that neither the size of the factors nor their basis decides: its definition in float64, its laws, and what it
 * is for: A that goes on learning from B = 0.
 */
import { beforeAll, describe, expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import "@tensorflow/tfjs-backend-wasm"
import * as Effect from "effect/Effect"
import { scaleByAdam } from "../../../src/optimizers/adamw/transform.ts"
import { type InvariantAdamState, scaleByInvariantAdam } from "../../../src/optimizers/lora-pro/invariant-adam.ts"
import { loraPro, type XChoice } from "../../../src/optimizers/lora-pro/transform.ts"
import { scaleByLearningRate } from "../../../src/optimizers/schedule.ts"
import { chain, type Transform } from "../../../src/optimizers/transform.ts"
import { type Trainable, tensorsOf } from "../../../src/tensors/trainable.ts"
import { restoredState, storedState } from "../../../src/training/state-tree.ts"
import { describeOn } from "../../backends.ts"
import { descend, type Pair, problemOf, valuesOf, weightOf } from "./descent.ts"
import { describeEverywhere } from "./everywhere.ts"
import {
  combine,
  conditioned,
  deviation,
  inner,
  type Matrix,
  make,
  norm,
  orthonormal,
  random,
  randomMatrix,
  rounded,
  shapeOf,
  times,
  transpose
} from "./matrix.ts"
import { disposeState, matrixOf, pairOf, type Run, takeStep, treeOf } from "./tensors.ts"

/** Three pairs, two of one shape, so that stacks of two and of one occur; and a dense tensor. */
const shapes = [
  { out: 6, columns: 9, r: 2 },
  { out: 8, columns: 5, r: 3 },
  { out: 6, columns: 9, r: 2 }
] as const

const pairsOf = (seed: number, size: number): ReadonlyArray<Pair> => {
  const next = random(seed)
  return shapes.map(({ out, columns, r }) => ({
    A: rounded(randomMatrix(r, columns, next, size)),
    B: rounded(randomMatrix(out, r, next, size))
  }))
}

const treeFrom = (pairs: ReadonlyArray<Pair>, seed: number): Trainable => ({
  pairs: pairs.map(({ A, B }, i) => pairOf(A, B, 2, `site${i}`)),
  dense: [{ name: "bias", role: "body", value: tf.tensor1d(randomMatrix(1, 4, random(seed))[0]!.slice()) }]
})

const meanSquare = (values: ReadonlyArray<number>): number => values.reduce((sum, x) => sum + x * x, 0) / values.length

/** The definition, one factor: `sharedBy` gives the mean of squares that an entry shares. */
const oracle = (transposed: boolean) => {
  const { b1, b2, eps } = options
  let [m, v]: [Matrix | undefined, ReadonlyArray<number>] = [undefined, []]
  let t = 0
  return (direction: Matrix, other: Matrix): Matrix => {
    t++
    // rows of A [r, in] share, and so do columns of B [out, r]: work on A, or on Bᵀ
    const d = transposed ? transpose(direction) : direction
    const [r, columns] = shapeOf(d)
    const scaled = combine([norm(other) ** 2 / r, d])
    m = combine([b1, m ?? make(r, columns, () => 0)], [1 - b1, scaled])
    v = transpose(scaled).map((column, j) => b2 * (v[j] ?? 0) + (1 - b2) * meanSquare(column))
    const last = m
    const u = make(r, columns, (i, j) => last[i]![j]! / (1 - b1 ** t) / (Math.sqrt(v[j]! / (1 - b2 ** t)) + eps))
    return transposed ? transpose(u) : u
  }
}

const options = { b1: 0.8, b2: 0.95, eps: 1e-6 } as const

// Float32 over the steps: a sum of ten squares, about √steps roundings of 6e-8, one root and one division.
const FLOAT32 = 3e-6

const definition = (): void => {
  test("equals its definition in float64, over changing parameters", async () => {
    const transform = scaleByInvariantAdam(options)
    const oracles = shapes.map(() => ({ A: oracle(false), B: oracle(true) }))
    let state = transform.init(treeFrom(pairsOf(1, 1), 1))
    for (let step = 1; step <= 20; step++) {
      const params = pairsOf(step, 0.1 * step)
      const directions = pairsOf(100 + step, 10 / step)
      const next = transform.update(treeFrom(directions, step), state, treeFrom(params, 0))
      state = next.state
      for (const [i, { A, B }] of next.updates.pairs.entries()) {
        expect(deviation(await matrixOf(A), oracles[i]!.A(directions[i]!.A, params[i]!.B))).toBeLessThan(FLOAT32)
        expect(deviation(await matrixOf(B), oracles[i]!.B(directions[i]!.B, params[i]!.A))).toBeLessThan(FLOAT32)
      }
    }
    disposeState(state)
  })
}

describeEverywhere("invariant Adam", definition)
describeOn("webgpu", definition)

const RATE = 0.02

const behindLoraPro = (moments: Transform, x: XChoice) => chain(loraPro({ x }), moments, scaleByLearningRate(RATE))

describeEverywhere("invariant Adam behind LoRA-Pro", () => {
  for (const x of ["sylvester", "zero", "symmetric"] as const) {
    test(`x ${x}: a turn of the basis, (BR, RᵀA), changes no step of BA, from B = 0 on`, async () => {
      const { problem, start } = problemOf(3)
      const R = orthonormal(randomMatrix(3, 3, random(4)))
      const turned = { A: rounded(times(transpose(R), start.A)), B: start.B }
      const distance = async (moments: () => Transform) => {
        const [own, other] = await Promise.all([
          descend(behindLoraPro(moments(), x), problem, start, 12),
          descend(behindLoraPro(moments(), x), problem, turned, 12)
        ])
        return Math.max(...own.map((pair, i) => deviation(weightOf(problem, other[i]!), weightOf(problem, pair))))
      }
      // Roundings of A (6e-8) reach dA through the inverse of a young BᵀB, cond² of B ≈ 1e3 in the first steps.
      expect(await distance(() => scaleByInvariantAdam())).toBeLessThan(5e-4)
      // the law is not empty: entrywise moments break it in the first figure
      expect(await distance(() => scaleByAdam())).toBeGreaterThan(0.05)
    })
  }
})

describe("invariant Adam: laws", () => {
  beforeAll(async () => {
    await tf.setBackend("cpu")
  })

  /** d of one first step, which is what the first moments then hold. */
  const scaledDirections = async (x: XChoice, pair: Pair, gradients: Pair, scale: number): Promise<Pair> => {
    const params = treeOf(pairOf(pair.A, pair.B, scale))
    const optimizer = chain(loraPro({ x }), scaleByInvariantAdam())
    const state = await Effect.runPromise(optimizer.refresh!(optimizer.init(params), params))
    const next = optimizer.update(treeOf(pairOf(gradients.A, gradients.B, scale)), state, params)
    const { stacks } = (next.state as ReadonlyArray<unknown>)[1] as InvariantAdamState
    const [A, B] = await Promise.all(
      stacks.map(({ first }) => matrixOf(tf.reshape(first, [first.shape[1]!, first.shape[2]!])))
    )
    return { A: A!, B: B! }
  }

  test("where the other factor's singular values are equal, of any size, d is LoRA's gradient over s²", async () => {
    const next = random(5)
    for (const size of [1e-2, 1, 30]) {
      const pair = {
        A: rounded(combine([size, transpose(orthonormal(randomMatrix(11, 3, next)))])),
        B: rounded(combine([size, orthonormal(randomMatrix(7, 3, next))]))
      }
      const g = randomMatrix(7, 11, next)
      const gradients = { A: combine([2, times(transpose(pair.B), g)]), B: combine([2, times(g, transpose(pair.A))]) }
      const { A, B } = await scaledDirections("zero", pair, gradients, 2)
      // damping of 1e-8 beside a Gram of 1e-4
      expect(deviation(A, combine([1 / 4, gradients.A]))).toBeLessThan(2e-4)
      // with X = 0, dB has no part in col(B)
      const outside = combine([1, gradients.B], [-1 / size ** 2, times(pair.B, transpose(pair.B), gradients.B)])
      expect(deviation(B, combine([1 / 4, outside]))).toBeLessThan(2e-4)
    }
  })

  test("both factors descend by themselves, for every X: so they do with any positive factors", async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const next = random(seed)
      const pair = {
        A: rounded(transpose(conditioned(10, 3, 1, next))),
        B: rounded(conditioned(8, 3, 10 ** (2 * next() - 2), next))
      }
      const g = randomMatrix(8, 10, next)
      const gradients = { A: combine([2, times(transpose(pair.B), g)]), B: combine([2, times(g, transpose(pair.A))]) }
      for (const x of ["sylvester", "zero", "symmetric"] as const) {
        const { A, B } = await scaledDirections(x, pair, gradients, 2)
        expect(inner(gradients.A, A) / (norm(gradients.A) * norm(A))).toBeGreaterThan(0)
        expect(inner(gradients.B, B) / (norm(gradients.B) * norm(B))).toBeGreaterThan(0)
      }
    }
  })

  test("the first step at B = 0 leaves A where it is, moves B and is finite", async () => {
    const { problem, start } = problemOf(6)
    const [first] = await descend(behindLoraPro(scaleByInvariantAdam(), "sylvester"), problem, start, 1)
    expect(first!.A).toEqual(start.A)
    expect(first!.B.flat().every(Number.isFinite)).toBe(true)
    expect(norm(first!.B)).toBeGreaterThan(0)
  })

  test("dense tensors get Adam as it is", async () => {
    const params = treeFrom(pairsOf(1, 1), 1)
    const transforms = [scaleByInvariantAdam(options), scaleByAdam(options)] as const
    const [own, plain] = await Promise.all(
      transforms.map(async (transform: Transform) => {
        let state = transform.init(params)
        const found: Array<ReadonlyArray<number>> = []
        for (let step = 0; step < 3; step++) {
          const next = transform.update(treeFrom(pairsOf(step, 1), step), state, params)
          state = next.state
          found.push(Array.from(await next.updates.dense[0]!.value.data()))
        }
        return found
      })
    )
    expect(own).toEqual(plain!)
  })
})

describe("invariant Adam as a transform", () => {
  beforeAll(async () => {
    await tf.setBackend("wasm")
  })
  const optimizer = () => chain(loraPro(), scaleByInvariantAdam(), scaleByLearningRate(1e-3))
  const tree = (seed: number) => treeFrom(pairsOf(seed, 1), seed)
  const valuesIn = async (t: Trainable) => Promise.all(tensorsOf(t).map(async (x) => Array.from(await x.data())))

  test("no tensor and no buffer is left behind over 50 steps", async () => {
    const [params, gradients] = [tree(1), tree(2)]
    const own = optimizer()
    let run = await takeStep(own, { params, state: own.init(params) }, gradients)
    const { numTensors, numDataBuffers, numBytes } = tf.memory()
    for (let step = 0; step < 50; step++) run = await takeStep(own, run, gradients)
    const after = tf.memory()
    expect([after.numTensors, after.numDataBuffers, after.numBytes]).toEqual([numTensors, numDataBuffers, numBytes])
  })

  test("its state has r(in + out) + in + out numbers a pair, and two for each dense number", () => {
    const { tensors } = storedState(scaleByInvariantAdam().init(tree(1)))
    const ofPairs = shapes.reduce((sum, { out, columns, r }) => sum + (r + 1) * (out + columns), 0)
    expect(tensors.reduce((sum, { size }) => sum + size, 0)).toBe(ofPairs + 2 * 4)
  })

  test("a state that was stored and restored goes on with the same bits", async () => {
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
      return valuesIn(run.params)
    }
    expect(await after(true)).toEqual(await after(false))
  })
})

test("under one gradient of W from B = 0, A keeps moving, where entrywise moments slow it down", async () => {
  await tf.setBackend("cpu")
  const STEPS = 60
  /** The root mean square of A's last move in units of the rate, where W's gradient never changes. */
  const lastMove = async (moments: Transform, seed: number): Promise<number> => {
    const next = random(seed)
    const g = randomMatrix(9, 12, next)
    const optimizer = behindLoraPro(moments, "sylvester")
    const params = treeOf(
      pairOf(
        randomMatrix(3, 12, next, 0.3),
        make(9, 3, () => 0),
        2
      )
    )
    let run: Run = { params, state: optimizer.init(params) }
    let last: Matrix = []
    for (let step = 0; step < STEPS; step++) {
      const { A, B } = await valuesOf(run.params.pairs[0]!)
      const gradients = pairOf(combine([2, times(transpose(B), g)]), combine([2, times(g, transpose(A))]), 2)
      run = await takeStep(optimizer, run, treeOf(gradients))
      last = combine([1, await matrixOf(run.params.pairs[0]!.A)], [-1, A])
    }
    return Math.sqrt(meanSquare(last.flat())) / RATE
  }
  for (const seed of [1, 2, 3]) {
    // measured 1.4: scaled by ‖B‖², dA grows as B does, and outweighs what the second moment remembers
    expect(await lastMove(scaleByInvariantAdam(), seed)).toBeGreaterThan(1)
    // measured 0.26 to 0.36, and falling as 1/√t: dA shrinks as 1/‖B‖, the root of its mean square does not
    expect(await lastMove(scaleByAdam(), seed)).toBeLessThan(0.5)
  }
})
