/**
 * Twenty steps on the golden llama against PyTorch's, for plain LoRA and every form of LoRA-Pro: the loss of every step (before its
 * update), the raw gradient's norm, and the factors at the end. As `training/goldens.test.ts` does for the encoder.
 */
import { expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import { inject, type LoraOptions, lora } from "../../../../adapters/index.ts"
import { mustBeDecided, type OptimizerConfig } from "../../../../schemas/index.ts"
import { type CausalModel, causalClassName } from "../../../../src/models/causal/index.ts"
import { fromConfig } from "../../../../src/optimizers/index.ts"
import type { CausalRows } from "../../../../src/tensors/rows.ts"
import type { FactorPair } from "../../../../src/tensors/trainable.ts"
import { tensorsOf } from "../../../../src/tensors/trainable.ts"
import { openSession, type StepReport, takeStep } from "../../../../src/training/index.ts"
import { describeOn } from "../../../backends.ts"
import { relativeError } from "../../../setup.ts"
import { readGolden, runScoped, type Tensors } from "../golden.ts"
import { jsonOf, lossOf, openGolden, rowsOf, valuesOf } from "./causal-golden.ts"

interface GoldenRun {
  readonly rule: "lora_adamw" | keyof typeof forms
  readonly r: number
  readonly alpha: number
  readonly lr: number
  readonly betas: readonly [number, number]
  readonly eps: number
  readonly weight_decay: number
  readonly delta: number
  readonly x_mode: "sylvester"
  readonly clip_global_norm: number | null
  readonly steps: number
  readonly loss: ReadonlyArray<number>
  readonly raw_gradient_norm: ReadonlyArray<number>
  readonly tolerance: { readonly loss_absolute: number; readonly factors_over_max_abs: number }
}

const runs = [
  "lora_adamw",
  "lora_pro_sgd",
  "lora_pro_sgd_clip",
  "lora_pro_adamw_efficient",
  "lora_pro_adamw_efficient_clip",
  "lora_pro_adamw_full"
] as const

const forms = { lora_pro_sgd: "sgd", lora_pro_adamw_efficient: "efficient", lora_pro_adamw_full: "full" } as const

/** The plan's `optimizer` section that asks for a golden run. */
const configOf = (run: GoldenRun): OptimizerConfig => {
  const shared = {
    learningRate: run.lr,
    weightDecay: run.weight_decay,
    clipNorm: run.clip_global_norm,
    schedule: { kind: "constant" as const },
    betas: run.betas,
    epsilon: run.eps
  }
  if (run.rule === "lora_adamw") return { kind: "adamw", ...shared }
  return { kind: "lora-pro", form: forms[run.rule], x: run.x_mode, damping: run.delta, ...shared }
}

/** The k-th batch: a golden batch with the step as first axis. */
const batchAt = (stored: Tensors, k: number): CausalRows =>
  rowsOf(
    new Map(
      [...stored].map(([name, { data, shape }]) => {
        const [, size, length] = shape as readonly [number, number, number]
        const width = size * length
        return [name, { shape: [size, length], data: data.slice(k * width, (k + 1) * width) }] as const
      })
    )
  )

const follow = (run: GoldenRun) =>
  Effect.gen(function* () {
    const [init, batches] = yield* Effect.promise(() =>
      Promise.all(["init", "batches"].map((name) => readGolden(`training/llama/${name}.safetensors`)))
    )
    const model = yield* openGolden("llama")
    const options = { rank: run.r, alpha: run.alpha, scaling: "standard", init: { kind: "kaiming" } } as const
    const adapted = yield* inject<LoraOptions, CausalModel>(model, lora, { ...options, targets: "all-linear" })
    const keyOf = ({ site }: FactorPair, factor: "A" | "B") =>
      `base_model.model.${causalClassName(model, site.name)}.lora_${factor}.weight`
    const start = (pair: FactorPair, factor: "A" | "B") => {
      const { data, shape } = init!.get(keyOf(pair, factor))!
      return tf.tensor2d(data, [...shape] as [number, number])
    }
    tf.dispose([...tensorsOf(adapted.trainable)])
    const pairs = adapted.trainable.pairs.map((pair) => ({ ...pair, A: start(pair, "A"), B: start(pair, "B") }))
    expect(2 * pairs.length).toBe(init!.size)
    adapted.trainable = { pairs, dense: [] }
    const session = yield* openSession(adapted, {
      optimizer: yield* fromConfig(mustBeDecided(configOf(run)), run.steps),
      loss: lossOf
    })
    const reports: Array<StepReport> = []
    for (let k = 0; k < run.steps; k++) reports.push(yield* takeStep(session, [batchAt(batches!, k)]))
    const factors = new Map<string, ArrayLike<number>>()
    for (const pair of adapted.trainable.pairs) {
      for (const factor of ["A", "B"] as const) factors.set(keyOf(pair, factor), yield* valuesOf(pair[factor]))
    }
    return { reports, factors }
  })

describeOn("wasm", () => {
  for (const name of runs) {
    test(`${name}: every loss, every gradient norm, the factors`, () =>
      runScoped(
        Effect.gen(function* () {
          const run = (yield* Effect.promise(() => jsonOf(`training/llama/${name}.json`))) as GoldenRun
          const expected = yield* Effect.promise(() => readGolden(`training/llama/${name}.safetensors`))
          const { reports, factors } = yield* follow(run)
          expect(reports).toHaveLength(run.steps)
          const losses = reports.map((report, k) => Math.abs(report.loss - run.loss[k]!))
          const norms = reports.map((report, k) => Math.abs(report.gradNorm / run.raw_gradient_norm[k]! - 1))
          const distances = [...factors].map(([key, values]) => relativeError(values, expected.get(key)!.data))
          expect(distances).toHaveLength(28)
          expect(Math.max(...losses)).toBeLessThanOrEqual(run.tolerance.loss_absolute)
          expect(Math.max(...norms)).toBeLessThanOrEqual(run.tolerance.loss_absolute)
          expect(Math.max(...distances)).toBeLessThanOrEqual(run.tolerance.factors_over_max_abs)
        })
      ))
  }
})
