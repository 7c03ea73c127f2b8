/**
 * A golden run on SmolLM2-135M-Instruct in a process of its own: `bun smollm2-training-child.ts GGUF RUN STEPS DEVICE`. Prints a JSON line of what came
 * out. The run is read from the golden files, batches and all; where A starts is told by its generator, `smollm2_training.py`.
 */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import { inject, type LoraOptions, lora } from "../../adapters/index.ts"
import { mustBeDecided, type OptimizerConfig } from "../../schemas/index.ts"
import { Device } from "../../src/device/index.ts"
import { peakResidentBytes } from "../../src/device/wasm.ts"
import { type CausalModel, openCausalModel } from "../../src/models/causal/index.ts"
import { fromConfig } from "../../src/optimizers/index.ts"
import { platform } from "../../src/platform.ts"
import { readTensors } from "../../src/safetensors/index.ts"
import type { CausalRows } from "../../src/tensors/rows.ts"
import { type LinearSite, tensorsOf } from "../../src/tensors/trainable.ts"
import { openSession, takeStep, tokenCrossEntropy } from "../../src/training/index.ts"

const folder = join(import.meta.dir, "../golden/training/smollm2")

const forms = { lora_pro_adamw_efficient: "efficient", lora_pro_adamw_full: "full" } as const

export type RunName = "lora_adamw" | keyof typeof forms
export type CpuDevice = "wasm" | "native"

export interface GoldenRun {
  readonly rule: RunName
  readonly r: number
  readonly alpha: number
  readonly lr: number
  readonly betas: readonly [number, number]
  readonly eps: number
  readonly weight_decay: number
  readonly delta: number
  readonly x_mode: "sylvester"
  readonly steps: number
  readonly loss: ReadonlyArray<number>
  readonly raw_gradient_norm: ReadonlyArray<number>
}

export interface Followed {
  readonly losses: ReadonlyArray<number>
  readonly norms: ReadonlyArray<number>
  /** of each step */
  readonly milliseconds: ReadonlyArray<number>
  readonly peakBytes: number
}

export const goldenRun = (name: RunName): GoldenRun => JSON.parse(readFileSync(join(folder, `${name}.json`), "utf8"))

const optimizerOf = (run: GoldenRun): OptimizerConfig => {
  const shared = {
    learningRate: run.lr,
    weightDecay: run.weight_decay,
    clipNorm: null,
    schedule: { kind: "constant" as const },
    betas: run.betas,
    epsilon: run.eps
  }
  if (run.rule === "lora_adamw") return { kind: "adamw", ...shared }
  return { kind: "lora-pro", form: forms[run.rule], x: run.x_mode, damping: run.delta, ...shared }
}

/** The finalizer of MurmurHash3. */
const hash = (word: number): number => {
  const first = Math.imul(word ^ (word >>> 16), 0x85ebca6b)
  const second = Math.imul(first ^ (first >>> 13), 0xc2b2ae35)
  return (second ^ (second >>> 16)) >>> 0
}

/** A [r, in] of the pair with this number. */
const startOf = (pair: number, r: number, inputs: number): tf.Tensor2D => {
  const seed = hash(pair + 1)
  const values = Float32Array.from(
    { length: r * inputs },
    (_, k) => ((2 * hash((seed + k) >>> 0)) / 2 ** 32 - 1) / Math.sqrt(inputs)
  )
  return tf.tensor2d(values, [r, inputs])
}

const linears = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]

/** The golden's number of a site's pair: block by block, in the order of `linears`. */
const numberOf = ({ name }: LinearSite): number => {
  const block = Number(/layers\.(\d+)\./.exec(name)?.[1])
  return linears.length * block + linears.indexOf(name.split(".").at(-1)!)
}

/** Whole rows of text, each token's label the next. */
const rowsOf = (inputIds: Int32Array, size: number, length: number): CausalRows => ({
  size,
  length,
  inputIds,
  labels: Int32Array.from(inputIds, (_, i) => (i % length === length - 1 ? -100 : inputIds[i + 1]!)),
  segments: new Int32Array(size * length),
  positions: Int32Array.from(inputIds, (_, i) => i % length),
  tokens: size * length
})

const follow = (gguf: string, run: GoldenRun, steps: number) =>
  Effect.gen(function* () {
    const ids = (yield* readTensors(join(folder, "batches.safetensors"))).get("input_ids")!
    const [, size, length] = ids.shape as readonly [number, number, number]
    const model = yield* openCausalModel(gguf)
    const options = { rank: run.r, alpha: run.alpha, scaling: "standard", init: { kind: "kaiming" } } as const
    const adapted = yield* inject<LoraOptions, CausalModel>(model, lora, { ...options, targets: "all-linear" })
    const { pairs } = adapted.trainable
    const starts = pairs.map((pair) => ({ ...pair, A: startOf(numberOf(pair.site), run.r, pair.site.in) }))
    tf.dispose(pairs.map(({ A }) => A))
    adapted.trainable = { ...adapted.trainable, pairs: starts }
    const session = yield* openSession(adapted, {
      optimizer: yield* fromConfig(mustBeDecided(optimizerOf(run)), run.steps),
      loss: tokenCrossEntropy
    })
    const reports = []
    for (let k = 0; k < steps; k++) {
      const own = Int32Array.from(ids.data.subarray(k * size * length, (k + 1) * size * length))
      reports.push(yield* takeStep(session, [rowsOf(own, size, length)]))
    }
    tf.dispose([...tensorsOf(adapted.trainable)])
    const followed: Followed = {
      losses: reports.map(({ loss }) => loss),
      norms: reports.map(({ gradNorm }) => gradNorm),
      milliseconds: reports.map(({ milliseconds }) => milliseconds),
      peakBytes: peakResidentBytes()
    }
    return followed
  })

if (import.meta.main) {
  const [gguf, name, steps, device] = process.argv.slice(2) as [string, RunName, string, CpuDevice]
  const followed = await follow(gguf, goldenRun(name), Number(steps)).pipe(
    Effect.scoped,
    Effect.provide(Device.layer(device, { threads: 2 })),
    Effect.provide(platform),
    Effect.runPromise
  )
  console.log(JSON.stringify(followed))
}
