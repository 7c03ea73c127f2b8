/**
 * LoRA-Pro, LoRA+, Riemannian preconditioning and AdamW over eight steps against trajectories computed in float64
 * elsewhere: every form, choice of X, warm-up and decay. The gradient of the toy loss is computed here in float64, from the factors as float32 holds them.
 */
import { expect, test } from "bun:test"
import { readdirSync, readFileSync } from "node:fs"
import * as tf from "@tensorflow/tfjs"
import { scaleByAdam } from "../../../src/optimizers/adamw/transform.ts"
import { addDecayedWeights } from "../../../src/optimizers/decay.ts"
import { loraPlus } from "../../../src/optimizers/lora-plus/transform.ts"
import { factoredAdam } from "../../../src/optimizers/lora-pro/factored-adam.ts"
import { loraPro, type XChoice } from "../../../src/optimizers/lora-pro/transform.ts"
import { riemannian } from "../../../src/optimizers/riemannian/transform.ts"
import { scaleByLearningRate } from "../../../src/optimizers/schedule.ts"
import { chain, type State, type Transform } from "../../../src/optimizers/transform.ts"
import type { FactorPair } from "../../../src/tensors/trainable.ts"
import { describeEverywhere } from "./everywhere.ts"
import { combine, deviation, type Matrix, norm, times, transpose } from "./matrix.ts"
import { disposeState, matrixOf, pairOf, type Run, takeStep, treeOf } from "./tensors.ts"

const folder = new URL("../../golden/lora_pro/", import.meta.url)
const load = <T>(file: string): T => JSON.parse(readFileSync(new URL(file, folder), "utf8")) as T
const files = (prefix: string) => readdirSync(folder).filter((name) => name.startsWith(prefix))

interface Trajectory {
  readonly rule: string
  readonly s: number
  readonly delta: number
  readonly x_mode: XChoice
  readonly lr: ReadonlyArray<number>
  readonly betas: readonly [number, number]
  readonly eps: number
  readonly weight_decay: number
  readonly lr_ratio_B_over_A: number
  readonly W0: Matrix
  readonly W_star: Matrix
  readonly A0: Matrix
  readonly B0: Matrix
  readonly A: ReadonlyArray<Matrix>
  readonly B: ReadonlyArray<Matrix>
  readonly loss: ReadonlyArray<number>
  readonly M?: Matrix
  readonly V?: Matrix
}

const transformFor = (golden: Trajectory): Transform => {
  const { x_mode: x, delta: damping, weight_decay, lr } = golden
  const moments = { b1: golden.betas[0], b2: golden.betas[1], eps: golden.eps }
  const adam = scaleByAdam(moments)
  const learningRate = (step: number) => lr[step - 1]!
  const rate = scaleByLearningRate(learningRate)
  const ratio = golden.lr_ratio_B_over_A
  switch (golden.rule) {
    case "sgd":
      return chain(loraPro({ x, damping }), rate)
    case "adamw_efficient":
      return chain(loraPro({ x, damping }), adam, addDecayedWeights(weight_decay), rate)
    case "adamw_full":
      return chain(loraPro({ inner: adam, x, damping }), rate)
    case "adamw_full_factored":
      return chain(loraPro({ inner: factoredAdam(moments), x, damping }), rate)
    case "lora_adamw":
      return ratio === 1
        ? chain(adam, addDecayedWeights(weight_decay), rate)
        : loraPlus({ ...moments, learningRate, ratio, weightDecay: weight_decay })
    case "riemannian_adamw":
      return chain(riemannian({ damping }), adam, addDecayedWeights(weight_decay), rate)
    default:
      throw new Error(`no transform for ${golden.rule}`)
  }
}

/** L = ½‖W0 + sBA − W*‖² and its factor gradients, in float64 from the float32 factors. */
const lossOf = async (golden: Trajectory, pair: FactorPair) => {
  const A = await matrixOf(pair.A)
  const B = await matrixOf(pair.B)
  const g = combine([1, golden.W0], [golden.s, times(B, A)], [-1, golden.W_star])
  const gradient = pairOf(
    combine([golden.s, times(transpose(B), g)]),
    combine([golden.s, times(g, transpose(A))]),
    golden.s
  )
  return { loss: 0.5 * norm(g) ** 2, gradient }
}

// Drift of float32 over eight steps, relative to max|·|: ten times the worst measured (1.4e-6, Adam on factors whose entries
// nearly vanish).
const TRAJECTORY = 1.4e-5
const LOSS = 1e-5
// M and V are averages of the equivalent gradient: no drift of their own.
const MOMENTS = 2e-6

type Moments = { readonly first: ReadonlyArray<tf.Tensor>; readonly second: ReadonlyArray<tf.Tensor> }

const checkMoments = async (golden: Trajectory, state: State): Promise<void> => {
  if (golden.M === undefined || golden.V === undefined) return
  const [pro] = state as unknown as ReadonlyArray<{ readonly inner: { readonly pairs: ReadonlyArray<Moments> } }>
  const { first, second } = pro!.inner.pairs[0]!
  const [b1, b2] = golden.betas
  expect(deviation(combine([1 - b1, await matrixOf(first[0]!)]), golden.M)).toBeLessThan(MOMENTS)
  expect(deviation(combine([1 - b2, await matrixOf(second[0]!)]), golden.V)).toBeLessThan(MOMENTS)
}

const follow = async (golden: Trajectory): Promise<void> => {
  const transform = transformFor(golden)
  const params = treeOf(pairOf(golden.A0, golden.B0, golden.s))
  let run: Run = { params, state: transform.init(params) }
  for (let t = 0; t < golden.lr.length; t++) {
    const { loss, gradient } = await lossOf(golden, run.params.pairs[0]!)
    expect(Math.abs(loss / golden.loss[t]! - 1)).toBeLessThan(LOSS)
    run = await takeStep(transform, run, treeOf(gradient))
    tf.dispose([gradient.A, gradient.B])
    expect(deviation(await matrixOf(run.params.pairs[0]!.A), golden.A[t]!)).toBeLessThan(TRAJECTORY)
    expect(deviation(await matrixOf(run.params.pairs[0]!.B), golden.B[t]!)).toBeLessThan(TRAJECTORY)
  }
  await checkMoments(golden, run.state)
  disposeState(run.state)
  tf.dispose([run.params.pairs[0]!.A, run.params.pairs[0]!.B])
}

describeEverywhere("Trajectories", () => {
  const trajectories = files("traj_")

  test("the golden files are there", () => {
    expect(trajectories.length).toBe(27)
    expect(trajectories.filter((file) => load<Trajectory>(file).lr_ratio_B_over_A !== 1)).toHaveLength(2)
  })

  for (const file of trajectories) {
    test(`${file}: A, B and the loss of every step`, () => follow(load<Trajectory>(file)))
  }
})
