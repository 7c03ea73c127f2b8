/**
 * Training steps of a language model, timed in a process of its own:
 *
 *   bun bench/causal/step.ts MODEL '{"method":"lora","rank":8,"batch":4,"length":128,"threads":2,"weights":"f32","recompute":"none","steps":4}'
 *
 * MODEL is a GGUF file or a Hugging Face folder. Prints a JSON line. LoRA on all linear layers of the blocks. Steps are timed after two that
 * are not; all tokens count.
 */
import * as Effect from "effect/Effect"
import { inject, type LoraOptions, lora } from "../../adapters/index.ts"
import { mustBeDecided, type OptimizerConfig } from "../../schemas/index.ts"
import { Device } from "../../src/device/index.ts"
import { inBfloat16 } from "../../src/device/precision.ts"
import { peakResidentBytes } from "../../src/device/wasm.ts"
import { type CausalModel, openCausalModel } from "../../src/models/causal/index.ts"
import type { WeightForm } from "../../src/numbers/index.ts"
import { fromConfig } from "../../src/optimizers/index.ts"
import { platform } from "../../src/platform.ts"
import type { CausalRows } from "../../src/tensors/rows.ts"
import { openSession, takeStep, tokenCrossEntropy } from "../../src/training/index.ts"
import { type CpuDevice, median } from "../shapes.ts"

const forms = { "lora-pro-efficient": "efficient", "lora-pro-full": "full" } as const

export interface CausalMeasurement {
  /** default wasm */
  readonly device?: CpuDevice
  readonly method: "lora" | keyof typeof forms
  readonly rank: number
  readonly batch: number
  readonly length: number
  readonly threads: number
  readonly weights: WeightForm
  readonly recompute: "none" | "blocks"
  /** default "float32" */
  readonly precision?: "float32" | "bfloat16"
  /** steps that are timed */
  readonly steps: number
}

/** Times are milliseconds. */
export interface CausalResult {
  /** of the median step */
  readonly milliseconds: number
  /** from the file to weights on the device */
  readonly loading: number
  readonly peakBytes: number
}

const shared = {
  learningRate: 2e-4,
  weightDecay: 0,
  clipNorm: null,
  schedule: { kind: "constant" },
  betas: [0.9, 0.999],
  epsilon: 1e-8
} as const

const optimizerOf = (method: CausalMeasurement["method"]): OptimizerConfig =>
  method === "lora"
    ? { kind: "adamw", ...shared }
    : { kind: "lora-pro", form: forms[method], x: "sylvester", damping: 1e-8, ...shared }

/** Rows without padding; time does not depend on the ids. */
const rows = (size: number, length: number, vocabulary: number): CausalRows => {
  const inputIds = Int32Array.from({ length: size * length }, (_, i) => (i * 37) % vocabulary)
  return {
    size,
    length,
    inputIds,
    labels: inputIds.map((id, i) => (i % length === length - 1 ? -100 : (id + 37) % vocabulary)),
    segments: new Int32Array(size * length),
    positions: inputIds.map((_, i) => i % length),
    tokens: size * length
  }
}

const measured = (source: string, { method, rank, batch, length, weights, recompute, steps }: CausalMeasurement) =>
  Effect.gen(function* () {
    const began = performance.now()
    const model = yield* openCausalModel(source, { weights })
    const loading = performance.now() - began
    const options = { rank, alpha: 2 * rank, scaling: "standard", init: { kind: "kaiming" } } as const
    const adapted = yield* inject<LoraOptions, CausalModel>(model, lora, { ...options, targets: "all-linear" })
    const session = yield* openSession(adapted, {
      optimizer: yield* fromConfig(mustBeDecided(optimizerOf(method)), 1000),
      loss: tokenCrossEntropy,
      recompute
    })
    const times: Array<number> = []
    for (let i = 0; i < steps + 2; i++) {
      const { milliseconds } = yield* takeStep(session, [rows(batch, length, model.vocabularySize)])
      if (i >= 2) times.push(milliseconds)
    }
    const result: CausalResult = { milliseconds: median(times), loading, peakBytes: peakResidentBytes() }
    return result
  })

const [source, text] = process.argv.slice(2) as [string, string]
const measurement = JSON.parse(text) as CausalMeasurement
const result = await measured(source, measurement).pipe(
  (program) => (measurement.precision === "bfloat16" ? inBfloat16(program) : program),
  Effect.scoped,
  Effect.provide(Device.layer(measurement.device ?? "wasm", { threads: measurement.threads })),
  Effect.provide(platform),
  Effect.runPromise
)
console.log(JSON.stringify(result))
process.exit(0)
