/** Our training step, timed: the model of a measurement, one session per method over it, their steps taking turns. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { methods as adapters } from "../adapters/index.ts"
import { mustBeDecided, OptimizerConfig } from "../schemas/index.ts"
import type { Batch } from "../src/data/index.ts"
import { inBfloat16 } from "../src/device/precision.ts"
import { Device, inject, Models, platform, Training } from "../src/index.ts"
import type { Model } from "../src/models/index.ts"
import { fromConfig } from "../src/optimizers/index.ts"
import {
  type Method,
  minilmFolder,
  type OurMeasurement,
  type OurResult,
  type Section,
  type StepTimes
} from "./shapes.ts"
import { timed } from "./stopwatch.ts"
import { usefulFlop } from "./useful-flop.ts"

const kinds = {
  lora: { kind: "adamw" },
  full: { kind: "adamw" },
  "lora-pro-efficient": { kind: "lora-pro", form: "efficient", x: "sylvester", damping: 1e-8 },
  "lora-pro-full": { kind: "lora-pro", form: "full", x: "sylvester", damping: 1e-8 }
} as const satisfies Readonly<Record<Method, object>>

const optimizerOf = (method: Method | Section) => {
  if (typeof method !== "string") return fromConfig(mustBeDecided(decoded(method)), 1000)
  const schedule = { kind: "constant" } as const
  const common = {
    learningRate: 1e-4,
    weightDecay: 0,
    clipNorm: null,
    schedule,
    betas: [0.9, 0.999],
    epsilon: 1e-8
  } as const
  return fromConfig({ ...kinds[method], ...common } satisfies OptimizerConfig, 1000)
}

const decoded = Schema.decodeUnknownSync(OptimizerConfig)

/** A batch without padding; time does not depend on the ids. */
export const syntheticBatch = (size: number, length: number): Batch => ({
  size,
  length,
  inputIds: Int32Array.from({ length: size * length }, (_, i) => (i * 37) % 9000),
  tokenTypeIds: new Int32Array(size * length),
  attentionMask: new Float32Array(size * length).fill(1),
  labels: Int32Array.from({ length: size }, (_, i) => i % 2),
  tokens: size * length
})

/** A method's session on the model, as a step that says how long its parts took. */
const openStep = (model: Model, method: Method | Section, measurement: OurMeasurement) =>
  Effect.gen(function* () {
    const { batch, length, rank = 8, recompute = "none", targets = "all-linear" } = measurement
    const lora = { rank, alpha: 2 * rank, scaling: "standard", init: { kind: "kaiming" }, targets } as const
    const adapted = yield* method === "full"
      ? inject(model, adapters.full, { targets })
      : inject(model, adapters.lora, lora)
    const { parts, ...own } = timed(adapted, yield* optimizerOf(method), Training.crossEntropy)
    const session = yield* Training.openSession(own.adapted, { optimizer: own.optimizer, loss: own.loss, recompute })
    const group = [syntheticBatch(batch, length)]
    const step = Effect.map(Training.takeStep(session, group), ({ milliseconds }): StepTimes => {
      const rest = milliseconds - parts.forward - parts.backward - parts.optimizer
      return { milliseconds, ...parts, rest }
    })
    const names = new Set(adapted.sites.map(({ name }) => name))
    const flop = usefulFlop(model.sites, names, { batch, length, ...(method === "full" ? {} : { rank }) })
    return { step, flop }
  })

/** Steps that are not timed: the first one compiles, and the second is the first with an optimizer state that has moved. */
const WARM_UP = 2

export const measureOurs = (measurement: OurMeasurement): Promise<Omit<OurResult, "peakBytes">> =>
  Effect.gen(function* () {
    const { folder = minilmFolder, methods, steps } = measurement
    const model = yield* Models.load({ source: folder, task: "classification", labels: ["a", "b"], seed: 0 })
    const running = yield* Effect.forEach(methods, (method) => openStep(model, method, measurement))
    const times = running.map((): Array<StepTimes> => [])
    for (let i = 0; i < WARM_UP + steps; i++) {
      for (const [j, { step }] of running.entries()) {
        const own = yield* step
        if (i >= WARM_UP) times[j]!.push(own)
      }
    }
    return { methods: running.map(({ flop }, j) => ({ flop, steps: times[j]! })) }
  }).pipe(
    (program) => (measurement.precision === "bfloat16" ? inBfloat16(program) : program),
    Effect.scoped,
    Effect.provide(Device.layer(measurement.device ?? "wasm", { threads: measurement.threads })),
    Effect.provide(platform),
    Effect.runPromise
  )
