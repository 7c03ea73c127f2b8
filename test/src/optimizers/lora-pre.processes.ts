/** LoRA-Pre: its equations in float64, what it is equal to, and its manners as a transform. */
import { beforeAll, describe, expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import type { Tensor, Tensor3D } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import "@tensorflow/tfjs-backend-wasm"
import { scaleByAdam } from "../../../src/optimizers/adamw/transform.ts"
import { type LoraPreState, scaleByLoraPre } from "../../../src/optimizers/lora-pre/transform.ts"
import { loraPro } from "../../../src/optimizers/lora-pro/transform.ts"
import { scaleByLearningRate } from "../../../src/optimizers/schedule.ts"
import { chain, type Transform } from "../../../src/optimizers/transform.ts"
import { type Trainable, tensorsOf } from "../../../src/tensors/trainable.ts"
import { restoredState, storedState } from "../../../src/training/state-tree.ts"
import { describeOn } from "../../backends.ts"
import { descend, problemOf, weightOf } from "./descent.ts"
import { describeEverywhere } from "./everywhere.ts"
import { combine, deviation, identity, type Matrix, make, maxAbs, norm, random, randomMatrix, times } from "./matrix.ts"
import { disposeState, matrixOf, type Run, takeStep, tensorOf } from "./tensors.ts"

interface Golden {
  readonly rank: number
  readonly betas: readonly [number, number]
  readonly eps: number
  readonly G: ReadonlyArray<Matrix>
  readonly starts: readonly [Matrix, Matrix]
  readonly u: ReadonlyArray<Matrix>
  readonly first: ReadonlyArray<Matrix>
  readonly second: ReadonlyArray<Matrix>
}

const golden = JSON.parse(
  readFileSync(new URL("../../golden/lora_pro/lora_pre.json", import.meta.url), "utf8")
) as Golden
const moments = { b1: golden.betas[0], b2: golden.betas[1], eps: golden.eps }

const weight = (value: Tensor): Trainable => ({ pairs: [], dense: [{ name: "weight", role: "body", value }] })

const productOf = ({ A, B }: { readonly A: Tensor3D; readonly B: Tensor3D }): Promise<Matrix> =>
  matrixOf(tf.squeeze(tf.matMul(B, A), [0]))

/** Directions and products of moments under gradients, one after the other. `starts`: in the place of its own random factors. */
const follow = async (gradients: ReadonlyArray<Matrix>, rank: number, starts?: Golden["starts"]) => {
  const transform = scaleByLoraPre({ rank, ...moments })
  let state: LoraPreState = transform.init(weight(tensorOf(gradients[0]!)))
  if (starts !== undefined) {
    const [first, second] = starts.map((A) => tf.expandDims<Tensor3D>(tensorOf(A)))
    const [own] = state.matrices
    state = { ...state, matrices: [{ first: { ...own!.first, A: first! }, second: { ...own!.second, A: second! } }] }
  }
  const found: Array<{ readonly u: Matrix; readonly first: Matrix; readonly second: Matrix }> = []
  for (const g of gradients) {
    const next = transform.update(weight(tensorOf(g)), state, weight(tensorOf(g)))
    state = next.state
    const [{ first, second }] = state.matrices as [LoraPreState["matrices"][number]]
    found.push({
      u: await matrixOf(next.updates.dense[0]!.value),
      first: await productOf(first),
      second: await productOf(second)
    })
  }
  disposeState(state)
  return found
}

/** Adam's m̂ */
const averages = (gradients: ReadonlyArray<Matrix>): ReadonlyArray<Matrix> => {
  let m = combine([0, gradients[0]!])
  return gradients.map((g, t) => {
    m = combine([moments.b1, m], [1 - moments.b1, g])
    return combine([1 / (1 - moments.b1 ** (t + 1)), m])
  })
}

// Float32 over ten steps: eigenproblems in float64 (pairs of float32 on a GPU) of Grams of thin matrices, whose condition is below 100 here.
const FLOAT32 = 2e-5

const laws = (): void => {
  test("equals its equations in float64: directions, and products of the factors", async () => {
    const found = await follow(golden.G, golden.rank, golden.starts)
    for (const [t, { u, first, second }] of found.entries()) {
      expect(deviation(u, golden.u[t]!)).toBeLessThan(FLOAT32)
      expect(deviation(first, golden.first[t]!)).toBeLessThan(FLOAT32)
      expect(deviation(second, golden.second[t]!)).toBeLessThan(FLOAT32)
    }
  })

  test("where all gradients lie in spaces of dimension k, m is Adam's; else it is not", async () => {
    const next = random(1)
    const [left, right] = [randomMatrix(9, 3, next), randomMatrix(3, 12, next)]
    // an average that stays away from lower ranks: rounding grows with its condition
    const between = () => combine([1, identity(3)], [0.3, randomMatrix(3, 3, next)])
    const gradients = Array.from({ length: 12 }, () => times(left, between(), right))
    const [found, expected] = [await follow(gradients, 3), averages(gradients)]
    for (const [t, { first }] of found.entries()) expect(deviation(first, expected[t]!)).toBeLessThan(FLOAT32)
    const lower = await follow(gradients, 2)
    expect(deviation(lower.at(-1)!.first, expected.at(-1)!)).toBeGreaterThan(0.05)
  })

  test("a moment that passes through lower ranks stays as small as what entered it", async () => {
    const next = random(2)
    const g = randomMatrix(9, 12, next)
    const gradients = Array.from({ length: 30 }, (_, t) =>
      combine([t % 3 === 0 ? 1 : -0.8, g], [0.01, randomMatrix(9, 12, next)])
    )
    const largest = Math.max(...gradients.map(norm))
    for (const { first, second } of await follow(gradients, 4)) {
      // three projections of what entered, each no larger than it
      expect(norm(first)).toBeLessThan(2 * largest)
      expect(norm(second)).toBeLessThan(2 * largest)
    }
  })
}

describeEverywhere("LoRA-Pre", laws)
describeOn("webgpu", laws)

describe("LoRA-Pre as a transform", () => {
  beforeAll(async () => {
    await tf.setBackend("wasm")
  })

  test("what no product would be smaller than has Adam as it is: vectors, and matrices with a short side", async () => {
    const run = async (transform: Transform) => {
      const next = random(3)
      const tree = (): Trainable => ({
        pairs: [],
        dense: [
          { name: "bias", role: "body", value: tf.tensor1d(randomMatrix(1, 4, next)[0]!.slice()) },
          { name: "thin", role: "body", value: tensorOf(randomMatrix(3, 20, next)) }
        ]
      })
      let state = transform.init(tree())
      let last: Trainable = tree()
      for (let step = 0; step < 3; step++) {
        const moved = transform.update(tree(), state, last)
        state = moved.state
        last = moved.updates
      }
      return Promise.all(tensorsOf(last).map(async (x) => Array.from(await x.data())))
    }
    expect(await run(scaleByLoraPre({ rank: 3 }))).toEqual(await run(scaleByAdam()))
  })

  test("β₁ = β₂ = 0: the signs of g; β₂ = 0 alone bounds nothing", async () => {
    const direction = async (b1: number) => {
      const transform = scaleByLoraPre({ rank: 3, b1, b2: 0, eps: 1e-12 })
      const [before, g] = [weight(tensorOf(golden.G[0]!)), weight(tensorOf(golden.G[1]!))]
      const { state } = transform.update(before, transform.init(before), before)
      return matrixOf(transform.update(g, state, g).updates.dense[0]!.value)
    }
    expect(
      deviation(
        await direction(0),
        golden.G[1]!.map((row) => row.map(Math.sign))
      )
    ).toBeLessThan(1e-5)
    expect((await direction(0.9)).flat().every(Number.isFinite)).toBe(true)
    expect(maxAbs(await direction(0.9))).toBeGreaterThan(5)
  })

  test("an entry whose second moment is lost moves no further than Adam's can", async () => {
    // half of the entries fall asleep after the first step: v_B v_A of rank one passes near 0 there, m does not
    const gradients = golden.G.map((g, t) => g.map((row, i) => row.map((x, j) => (t > 0 && (i + j) % 2 === 0 ? 0 : x))))
    const { b1, b2 } = moments
    for (const [t, { u }] of (await follow(gradients, 1)).entries()) {
      const ages = Array.from({ length: t + 1 }, (_, age) => age)
      const share = (b: number, age: number) => ((1 - b) * b ** age) / (1 - b ** (t + 1))
      const largest = Math.sqrt(ages.reduce((sum, age) => sum + share(b1, age) ** 2 / share(b2, age), 0))
      expect(maxAbs(u)).toBeLessThan(largest * (1 + 1e-5))
    }
  })

  test("gradients of 0 move nothing, and a matrix that wakes up later learns", async () => {
    const zero = make(9, 12, () => 0)
    const found = await follow([zero, zero, golden.G[0]!, golden.G[0]!], 3)
    expect(found.slice(0, 2).flatMap(({ u }) => u.flat())).toEqual(Array(2 * 9 * 12).fill(0))
    expect(norm(found[3]!.first)).toBeGreaterThan(0)
    expect(found.flatMap(({ u }) => u.flat()).every(Number.isFinite)).toBe(true)
  })

  test("NaN stays NaN", async () => {
    const bad = golden.G[0]!.map((row, i) => row.map((x, j) => (i === 2 && j === 3 ? Number.NaN : x)))
    const found = await follow([golden.G[0]!, bad, golden.G[1]!], 3)
    expect(found[1]!.u[2]![3]).toBeNaN()
    expect(found[2]!.u[2]![3]).toBeNaN()
  })

  test("no tensor is left behind, and a stored and restored state goes on with the same bits", async () => {
    const optimizer = chain(scaleByLoraPre({ rank: 2 }), scaleByLearningRate(1e-2))
    const tree = (seed: number) => weight(tensorOf(randomMatrix(9, 12, random(seed))))
    const after = async (interrupted: boolean) => {
      const params = tree(1)
      let run: Run = { params, state: optimizer.init(params) }
      for (let step = 1; step <= 6; step++) {
        if (interrupted && step === 4) {
          const { tree: stored, tensors } = storedState(run.state)
          const copies = await Promise.all(tensors.map(async (x) => tf.tensor(await x.data(), x.shape)))
          run = { ...run, state: restoredState(JSON.parse(JSON.stringify(stored)), copies) }
        }
        run = await takeStep(optimizer, run, tree(10 + step))
      }
      const { numTensors } = tf.memory()
      const gradients = tree(20)
      for (let step = 0; step < 5; step++) run = await takeStep(optimizer, run, gradients)
      tf.dispose([...tensorsOf(gradients)])
      expect(tf.memory().numTensors).toBe(numTensors)
      return matrixOf(tensorsOf(run.params)[0]!)
    }
    expect(await after(true)).toEqual(await after(false))
  })

  test("within LoRA-Pro's full form it goes down from B = 0", async () => {
    const { problem, start } = problemOf(5)
    const optimizer = chain(loraPro({ inner: scaleByLoraPre({ rank: 3 }) }), scaleByLearningRate(0.02))
    const path = await descend(optimizer, problem, start, 25)
    const distance = (pair: (typeof path)[number]) => norm(combine([1, weightOf(problem, pair)], [-1, problem.T]))
    expect(distance(path.at(-1)!)).toBeLessThan(0.9 * norm(problem.T))
  })
})
