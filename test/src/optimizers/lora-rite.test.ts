/** LoRA-RITE against the authors' own optimizer, step by step; its state; and what it is refused with. */
import { describe, expect, test } from "bun:test"
import { readdirSync } from "node:fs"
import * as tf from "@tensorflow/tfjs"
import { addDecayedWeights } from "../../../src/optimizers/decay.ts"
import { spectraObstacle } from "../../../src/optimizers/gram-spectra.ts"
import { balanceFactors, loraRite } from "../../../src/optimizers/lora-rite/transform.ts"
import { scaleByLearningRate } from "../../../src/optimizers/schedule.ts"
import { chain, layoutAt, layoutOf, type Transform } from "../../../src/optimizers/transform.ts"
import { type FactorPair, tensorsOf } from "../../../src/tensors/trainable.ts"
import { restoredState, storedState } from "../../../src/training/index.ts"
import { describeOn } from "../../backends.ts"
import { describeEverywhere } from "./everywhere.ts"
import { random, randomMatrix } from "./matrix.ts"
import { follow, trajectory } from "./successors.ts"
import { disposeState, pairOf, type Run, takeStep, treeOf } from "./tensors.ts"

/** As the authors' constructor names them. */
interface Options {
  readonly betas: readonly [number, number]
  readonly lr: number
  readonly clip_unmagnified_grad: number
  readonly update_skipping: number
  readonly update_capping?: number
  readonly weight_decay?: number
  readonly apply_escape?: boolean
  readonly balance_param?: boolean
}

const transformOf = (options: Options): Transform => {
  const { betas, lr, update_capping: cap = null, apply_escape = false, weight_decay = 0 } = options
  const [b1, b2] = betas
  const own = { b1, b2, clipUnmagnified: options.clip_unmagnified_grad, skip: options.update_skipping, cap }
  return chain(
    loraRite({ ...own, escape: apply_escape }),
    addDecayedWeights(weight_decay),
    scaleByLearningRate(lr),
    ...(options.balance_param === true ? [balanceFactors] : [])
  )
}

const files = readdirSync(new URL("../../golden/successors/", import.meta.url)).flatMap((name) =>
  name.includes("rite") ? [name.replace(".json", "")] : []
)

// Eight steps in float32; the worst measured is a tenth of it.
const BOUND = 1e-5

const goldens = () => {
  test("the golden files are there", () => {
    expect(files).toHaveLength(7)
  })

  for (const file of files) {
    test(`${file}: A and B of every step`, async () => {
      const golden = trajectory<Options>(file)
      await follow(golden, transformOf(golden.options), BOUND)
    })
  }
}

describeEverywhere("LoRA-RITE's trajectories", goldens)
describe("LoRA-RITE's trajectories", () => describeOn("webgpu", goldens))

/** Two pairs of one shape and one of another, the same at every call with the same seed. */
const treeFrom = (seed: number, size: number) => {
  const next = random(seed)
  const pair = (r: number, columns: number, out: number) =>
    pairOf(randomMatrix(r, columns, next, size), randomMatrix(out, r, next, size), 2, `${out}x${columns}`)
  return treeOf(pair(2, 5, 6), pair(3, 4, 5), pair(2, 5, 6))
}

const optimizer = () => chain(loraRite({ escape: true }), scaleByLearningRate(0.02), balanceFactors)

describeOn("wasm", () => {
  test("a state that was stored and restored goes on with the same bits, and has the layout that it says", async () => {
    const after = async (interrupted: boolean) => {
      const own = optimizer()
      const params = treeFrom(1, 1)
      let run: Run = { params, state: own.init(params) }
      const initial = layoutOf(run.state)
      for (let step = 1; step <= 5; step++) {
        if (interrupted && step === 3) {
          const { tree, tensors } = storedState(run.state)
          const copies = await Promise.all(tensors.map(async (x) => tf.tensor(await x.data(), x.shape)))
          run = { ...run, state: restoredState(JSON.parse(JSON.stringify(tree)), copies) }
          const shapesOf = (layout: unknown) =>
            JSON.stringify(layout).replace(/"count":\d+|(?<=\[|,)\d+(?=,null\]$)/g, "")
          expect(shapesOf(layoutOf(run.state))).toBe(shapesOf(layoutAt(own, initial, params, step - 1)))
        }
        run = await takeStep(own, run, treeFrom(10 + step, 0.1))
      }
      return Promise.all(tensorsOf(run.params).map(async (x) => Array.from(await x.data())))
    }
    expect(await after(true)).toEqual(await after(false))
  })

  test("no tensor and no buffer is left behind over 20 steps", async () => {
    const [own, params, gradients] = [optimizer(), treeFrom(1, 1), treeFrom(2, 0.1)]
    let run = await takeStep(own, { params, state: own.init(params) }, gradients)
    const { numTensors, numDataBuffers, numBytes } = tf.memory()
    for (let step = 0; step < 20; step++) run = await takeStep(own, run, gradients)
    const after = tf.memory()
    expect([after.numTensors, after.numDataBuffers, after.numBytes]).toEqual([numTensors, numDataBuffers, numBytes])
    disposeState(run.state)
  })

  test("pairs of one shape move as each would alone, but for the clip that they share", async () => {
    const moved = async (which: (pairs: ReadonlyArray<FactorPair>) => ReadonlyArray<FactorPair>) => {
      const own = chain(loraRite({ clipUnmagnified: null }), scaleByLearningRate(0.02))
      const part = (seed: number, size: number) => ({ pairs: which(treeFrom(seed, size).pairs), dense: [] })
      let run: Run = { params: part(1, 1), state: own.init(part(1, 1)) }
      for (let step = 0; step < 3; step++) run = await takeStep(own, run, part(5 + step, 0.1))
      return Promise.all(tensorsOf(run.params).map(async (x) => Array.from(await x.data())))
    }
    const together = await moved((pairs) => pairs)
    for (const i of [0, 1, 2]) expect(await moved((pairs) => [pairs[i]!])).toEqual(together.slice(2 * i, 2 * i + 2))
  })
})

/** Two tensors of a pair, without numbers: what is asked of them is their shape. */
const pairOfRank = (rank: number): ReadonlyArray<FactorPair> => [
  {
    site: { name: "encoder.query", kind: "dense", out: 300, in: 300 },
    A: tf.zeros([rank, 300]),
    B: tf.zeros([300, rank]),
    scale: 1
  }
]

describeEverywhere("eigenvectors", () => {
  test("of every rank are made where factors lie in the host's memory", () => {
    expect(spectraObstacle(pairOfRank(257))).toBeUndefined()
  })
})

describe("eigenvectors", () =>
  describeOn("webgpu", () => {
    test("of ranks above 256 are refused before the first step", () => {
      expect(spectraObstacle(pairOfRank(256))).toBeUndefined()
      const { obstacle } = chain(loraRite(), scaleByLearningRate(1))
      expect(obstacle?.({ pairs: pairOfRank(257), dense: [] })).toBe(
        "found rank 257 at encoder.query, and it needs eigenvectors of a matrix [rank, rank] for each layer and step, which a GPU computes up to rank 256; expected a rank of at most 256, or --device native or wasm"
      )
    })
  }))
