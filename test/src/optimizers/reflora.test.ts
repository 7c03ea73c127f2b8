/** RefLoRA against the authors' own code, and its manners as a transform. What its S is, and what the paper promises: the laws. */
import { describe, expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import { scaleByAdam } from "../../../src/optimizers/adamw/transform.ts"
import { addDecayedWeights } from "../../../src/optimizers/decay.ts"
import { refLora, refLoraScalar } from "../../../src/optimizers/reflora/transform.ts"
import { scaleByLearningRate } from "../../../src/optimizers/schedule.ts"
import { chain, type Transform } from "../../../src/optimizers/transform.ts"
import { describeOn } from "../../backends.ts"
import { describeEverywhere } from "./everywhere.ts"
import { manners, treeOfShapes } from "./manners.ts"
import { follow, trajectory } from "./successors.ts"

/** As the authors' constructors name them. */
interface Options {
  readonly lr: number
  readonly betas: readonly [number, number]
  readonly eps: number
  readonly weight_decay: number
  readonly warmup_steps: number
}

const forms = {
  full: ({ lr, betas: [b1, b2], eps, weight_decay, warmup_steps }: Options): Transform =>
    chain(
      refLora({ warmup: warmup_steps, damping: 0 }),
      scaleByAdam({ b1, b2, eps }),
      addDecayedWeights(weight_decay),
      scaleByLearningRate(lr)
    ),
  scalar: ({ lr, betas: [b1, b2], eps, weight_decay, warmup_steps }: Options): Transform =>
    refLoraScalar({ b1, b2, eps, learningRate: lr, weightDecay: weight_decay, warmup: warmup_steps })
}

// Float32 over eight steps of Adam: ten times the worst measured (3.8e-7).
const FLOAT32 = 4e-6

const followed = () => {
  for (const size of ["7x9_r3", "10x8_r4_B_zero"]) {
    for (const form of ["full", "scalar"] as const) {
      test(`${size}, ${form} form: A and B of every step`, async () => {
        const golden = trajectory<Options>(`${size}_reflora_${form}`)
        await follow(golden, forms[form](golden.options), FLOAT32)
      })
    }
  }
}

describeEverywhere("RefLoRA's trajectories", followed)
describe("RefLoRA's trajectories", () => describeOn("webgpu", followed))

const makers = [
  () => chain(refLora(), scaleByAdam(), scaleByLearningRate(1e-3)),
  () => refLoraScalar({ learningRate: 1e-3 })
]

describeEverywhere("refLora", () => manners(makers))

describe("refLora", () => {
  test("its warm-up leaves gradients as they are, without a whitening; after it, update says what it needs", async () => {
    const transform = refLora({ warmup: 1 })
    const [params, gradients] = [treeOfShapes(), treeOfShapes()]
    const state = await Effect.runPromise(transform.refresh!(transform.init(params), params))
    const first = transform.update(gradients, state, params)
    expect(first.updates).toBe(gradients)
    expect(first.state).toEqual({ count: 1, splits: [] })
    expect(() => transform.update(gradients, first.state, params)).toThrow(/refLora: .*run refresh\(state, params\)/)
    const { splits } = await Effect.runPromise(transform.refresh!(first.state, params))
    expect(splits.map(({ P, L }) => [P.shape, L.shape])).toEqual([
      [
        [2, 2, 2],
        [2, 2, 2]
      ],
      [
        [1, 3, 3],
        [1, 3, 3]
      ]
    ])
  })
})
