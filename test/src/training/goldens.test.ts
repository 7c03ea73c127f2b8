/**
 * Twenty steps against PyTorch's, for plain LoRA and every form of LoRA-Pro: the whole path from token ids to updated factors, with
 * the loss of every step (before its update), the raw gradient's norm, and the factors at the end.
 */
import { expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { inject, lora } from "../../../adapters/index.ts"
import { mustBeDecided, type OptimizerConfig } from "../../../schemas/index.ts"
import type { Batch } from "../../../src/data/index.ts"
import { fromConfig } from "../../../src/optimizers/index.ts"
import { platform } from "../../../src/platform.ts"
import { type HostTensor, readTensors } from "../../../src/safetensors/index.ts"
import { type FactorPair, tensorsOf } from "../../../src/tensors/trainable.ts"
import { crossEntropy, evaluate, openSession, type StepReport, takeStep } from "../../../src/training/index.ts"
import { describeOnBoth } from "../../backends.ts"
import { relativeError } from "../../setup.ts"
import { goldenPath, tinyBert } from "./tiny-bert.ts"

interface GoldenRun {
  readonly rule: "lora_adamw" | "lora_pro_sgd" | "lora_pro_adamw_efficient" | "lora_pro_adamw_full"
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
  readonly distinct_batches: number
  readonly mean_loss_before: number
  readonly mean_loss_after: number
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

const golden = (name: string): GoldenRun => JSON.parse(readFileSync(goldenPath(`training/bert/${name}.json`), "utf8"))
const tensors = (name: string) => readTensors(goldenPath(`training/bert/${name}.safetensors`))

const keyOf = ({ site }: FactorPair, factor: "A" | "B") => `base_model.model.bert.${site.name}.lora_${factor}.weight`

const batchesOf = (stored: ReadonlyMap<string, HostTensor>): ReadonlyArray<Batch> => {
  const [steps, size, length] = stored.get("input_ids")!.shape as unknown as readonly [number, number, number]
  const rows = (name: string, width: number, k: number) => stored.get(name)!.data.slice(k * width, (k + 1) * width)
  return Array.from({ length: steps }, (_, k) => {
    const attentionMask = rows("attention_mask", size * length, k)
    return {
      size,
      length,
      inputIds: Int32Array.from(rows("input_ids", size * length, k)),
      tokenTypeIds: new Int32Array(size * length),
      attentionMask,
      labels: Int32Array.from(rows("labels", size, k)),
      tokens: attentionMask.reduce((sum, value) => sum + value, 0)
    }
  })
}

/** Trains as a golden run did; answers every step's report and the factors at the end, under their PEFT names. */
const follow = (run: GoldenRun) =>
  Effect.gen(function* () {
    const model = yield* tinyBert()
    const options = { rank: run.r, alpha: run.alpha, scaling: "standard", init: { kind: "kaiming" } } as const
    const adapted = yield* inject(model, lora, { ...options, targets: "all-linear" })
    const init = yield* tensors("init")
    tf.dispose([...tensorsOf(adapted.trainable)])
    const start = (pair: FactorPair, factor: "A" | "B") => {
      const { data, shape } = init.get(keyOf(pair, factor))!
      return tf.tensor2d(data, [...shape] as [number, number])
    }
    // without `dense` the head stays the checkpoint's
    const pairs = adapted.trainable.pairs.map((pair) => ({ ...pair, A: start(pair, "A"), B: start(pair, "B") }))
    adapted.trainable = { pairs, dense: [] }
    expect(2 * pairs.length).toBe(init.size)
    const session = yield* openSession(adapted, {
      optimizer: yield* fromConfig(mustBeDecided(configOf(run)), run.steps),
      loss: crossEntropy
    })
    const batches = batchesOf(yield* tensors("batches"))
    const meanLoss = evaluate(adapted)(Stream.fromIterable(batches.slice(0, run.distinct_batches)))
    const before = yield* meanLoss
    const reports: Array<StepReport> = []
    for (const batch of batches) reports.push(yield* takeStep(session, [batch]))
    const factors = new Map<string, Float32Array>()
    for (const pair of adapted.trainable.pairs) {
      for (const factor of ["A", "B"] as const) {
        factors.set(keyOf(pair, factor), yield* Effect.promise(() => pair[factor].data() as Promise<Float32Array>))
      }
    }
    return { reports, factors, before, after: yield* meanLoss }
  })

/** The arithmetic of steps is the same on every backend, and the cpu backend takes seconds for each of them. */
const onCpu: ReadonlyArray<string> = ["lora_pro_adamw_full"]

describeOnBoth((backend) => {
  for (const name of runs.filter((run) => backend !== "cpu" || onCpu.includes(run))) {
    test(`${name}: every loss, every gradient norm, the factors`, () =>
      Effect.runPromise(
        Effect.scoped(
          Effect.gen(function* () {
            const run = golden(name)
            const { reports, factors, before, after } = yield* follow(run)
            expect(reports).toHaveLength(run.steps)
            const losses = reports.map((report, k) => Math.abs(report.loss - run.loss[k]!))
            const norms = reports.map((report, k) => Math.abs(report.gradNorm / run.raw_gradient_norm[k]! - 1))
            const expected = yield* tensors(name)
            const distances = [...factors].map(([key, values]) => relativeError(values, expected.get(key)!.data))
            expect(Math.max(...losses)).toBeLessThanOrEqual(run.tolerance.loss_absolute)
            // the golden states no tolerance for the norm: relatively, it is held to the loss's number (measured: a seventh of it)
            expect(Math.max(...norms)).toBeLessThanOrEqual(run.tolerance.loss_absolute)
            expect(Math.abs(before.loss - run.mean_loss_before)).toBeLessThanOrEqual(run.tolerance.loss_absolute)
            expect(Math.abs(after.loss - run.mean_loss_after)).toBeLessThanOrEqual(run.tolerance.loss_absolute)
            expect(Math.max(...distances)).toBeLessThanOrEqual(run.tolerance.factors_over_max_abs)
          })
        ).pipe(Effect.provide(platform))
      ))
  }
})
