/** LoRA+: what the ratio is about, and what it leaves alone. Its trajectories stand with the others. */
import { beforeAll, describe, expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import { scaleByAdam } from "../../../src/optimizers/adamw/transform.ts"
import { addDecayedWeights } from "../../../src/optimizers/decay.ts"
import { loraPlus, scaleB } from "../../../src/optimizers/lora-plus/transform.ts"
import { linear, scaleByLearningRate } from "../../../src/optimizers/schedule.ts"
import { chain, type Transform } from "../../../src/optimizers/transform.ts"
import { type Trainable, tensorsOf } from "../../../src/tensors/trainable.ts"
import { random, randomMatrix } from "./matrix.ts"
import { pairOf, type Run, takeStep } from "./tensors.ts"

beforeAll(async () => {
  await tf.setBackend("cpu")
})

const tree = (seed: number): Trainable => {
  const next = random(seed)
  const pair = (name: string) => pairOf(randomMatrix(2, 5, next), randomMatrix(6, 2, next), 4, name)
  const magnitude = { name: "p.magnitude", role: "body", value: tf.tensor1d([1, 2, 3]) } as const
  return { pairs: [pair("p"), pair("q")], dense: [magnitude] }
}

/** A, B of both pairs and the dense tensor, after four steps with gradients that change. */
const train = async (transform: Transform) => {
  const params = tree(1)
  let run: Run = { params, state: transform.init(params) }
  for (let step = 1; step <= 4; step++) run = await takeStep(transform, run, tree(10 + step))
  return (await Promise.all(tensorsOf(run.params).map((tensor) => tensor.data()))).map((data) => Array.from(data))
}

const rate = linear({ peak: 0.01, steps: 4, warmup: 2 })
const moments = { b1: 0.8, b2: 0.95, eps: 1e-6 }
const adamw = (factor: number): Transform =>
  chain(
    scaleByAdam(moments),
    addDecayedWeights(0.1),
    scaleByLearningRate((step) => factor * rate(step))
  )

describe("LoRA+", () => {
  // a power of two, by which float32 scales without rounding: equality to the bit
  test("A and dense tensors as AdamW at η, B as AdamW at ratio·η, with its weight decay", async () => {
    const found = await train(loraPlus({ ...moments, learningRate: rate, ratio: 16, weightDecay: 0.1 }))
    const [slow, fast] = [await train(adamw(1)), await train(adamw(16))]
    const expected = found.map((_, i) => (i === 1 || i === 3 ? fast[i] : slow[i]))
    expect(found).toEqual(expected as Array<Array<number>>)
    expect(fast[1]).not.toEqual(slow[1]!)
  })

  test("ratio 1 is AdamW", async () => {
    const found = await train(loraPlus({ ...moments, learningRate: rate, ratio: 1, weightDecay: 0.1 }))
    expect(found).toEqual(await train(adamw(1)))
  })

  test("the reported learning rate is A's", () => {
    const transform = loraPlus({ learningRate: 0.5, ratio: 16 })
    expect(transform.learningRate!(transform.init(tree(1)))).toBe(0.5)
  })

  test("a tree without pairs passes through", () => {
    const dense: Trainable = { pairs: [], dense: tree(1).dense }
    expect(scaleB(16).update(dense, null, dense).updates).toEqual(dense)
  })
})
