/**
 * One measurement in a process of its own (`step.bench.ts` starts it): a method's training step at one shape, timed.
 *
 *   bun bench/measure.ts '{"path":"ours","method":"lora","batch":4,"length":32,"threads":1,"steps":5}'
 *
 * Prints one JSON line { milliseconds, peakBytes }: the median of the steps after one warm-up, and the process's largest resident size.
 */
import * as Effect from "effect/Effect"
import { methods } from "../adapters/index.ts"
import type { Batch } from "../src/data/index.ts"
import { Device, inject, Models, platform, Training } from "../src/index.ts"
import { fromConfig } from "../src/optimizers/index.ts"
import { stockStep } from "./stock-step.ts"

export interface Measurement {
  readonly path: "ours" | "stock"
  readonly method: "lora" | "lora-pro-efficient" | "lora-pro-full" | "full"
  readonly batch: number
  readonly length: number
  readonly threads: number
  readonly steps: number
}

const optimizers = {
  lora: { kind: "adamw" },
  full: { kind: "adamw" },
  "lora-pro-efficient": { kind: "lora-pro", form: "efficient", x: "sylvester", damping: 1e-8 },
  "lora-pro-full": { kind: "lora-pro", form: "full", x: "sylvester", damping: 1e-8 }
} as const

const optimizerOf = (method: Measurement["method"]) =>
  fromConfig(
    {
      ...optimizers[method],
      learningRate: 1e-4,
      weightDecay: 0,
      clipNorm: null,
      schedule: { kind: "constant" },
      betas: [0.9, 0.999],
      epsilon: 1e-8
    },
    1000
  )

/** A batch without padding; time does not depend on the ids. */
const syntheticBatch = (size: number, length: number): Batch => ({
  size,
  length,
  inputIds: Int32Array.from({ length: size * length }, (_, i) => (i * 37) % 9000),
  tokenTypeIds: new Int32Array(size * length),
  attentionMask: new Float32Array(size * length).fill(1),
  labels: Int32Array.from({ length: size }, (_, i) => i % 2),
  tokens: size * length
})

const median = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[values.length >> 1]!

const stock = async ({ batch, length, steps }: Measurement): Promise<ReadonlyArray<number>> => {
  const step = await stockStep(batch, length)
  const times: Array<number> = []
  for (let i = 0; i <= steps; i++) {
    const began = performance.now()
    await step()
    times.push(performance.now() - began)
  }
  return times.slice(1)
}

const ours = ({ method, batch, length, threads, steps }: Measurement) =>
  Effect.gen(function* () {
    const source = new URL("../examples/models/minilm", import.meta.url).pathname
    const model = yield* Models.load({ source, task: "classification", labels: ["a", "b"], seed: 0 })
    const rank = { rank: 8, alpha: 16, scaling: "standard", init: { kind: "kaiming" } } as const
    const adapted =
      method === "full"
        ? yield* inject(model, methods.full, { targets: "all-linear" })
        : yield* inject(model, methods.lora, { ...rank, targets: "all-linear" })
    const session = yield* Training.openSession(adapted, {
      optimizer: optimizerOf(method),
      loss: Training.crossEntropy
    })
    const group = [syntheticBatch(batch, length)]
    const times: Array<number> = []
    for (let i = 0; i <= steps; i++) times.push((yield* Training.step(session, group)).milliseconds)
    return times.slice(1)
  }).pipe(Effect.scoped, Effect.provide(Device.layer("wasm", { threads })), Effect.provide(platform), Effect.runPromise)

const measurement = JSON.parse(process.argv[2]!) as Measurement
const times = await (measurement.path === "stock" ? stock(measurement) : ours(measurement))
// maxRSS is in kilobytes
console.log(JSON.stringify({ milliseconds: median(times), peakBytes: process.resourceUsage().maxRSS * 1024 }))
process.exit(0)
