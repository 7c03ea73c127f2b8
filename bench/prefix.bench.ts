/**
 * A frozen prefix that is kept: a LoRA step (r = 8) on MiniLM with the top k of its 6 blocks adapted, on rows that were seen before, with
 * and without what the frozen blocks make of them. Both take turns in one process, so that ratios compare what ran within the same second.
 *
 *   bun bench/prefix.bench.ts [--shapes 4x32,8x128] [--top 1,2,3] [--steps 5] [--threads 1] [--device wasm]
 */
import { parseArgs } from "node:util"
import * as Effect from "effect/Effect"
import { inject, methods } from "../adapters/index.ts"
import { Device, Models, platform, Training } from "../src/index.ts"
import type { Model } from "../src/models/index.ts"
import { fromConfig } from "../src/optimizers/index.ts"
import { keepPrefix } from "../src/run/kept-prefix.ts"
import { parseShapes, printTable, setting } from "./cells.ts"
import { syntheticBatch } from "./our-step.ts"
import { median, minilmFolder } from "./shapes.ts"
import { timed } from "./stopwatch.ts"

const { values } = parseArgs({
  options: {
    shapes: { type: "string", default: "4x32,8x128" },
    top: { type: "string", default: "1,2,3" },
    steps: { type: "string", default: "5" },
    threads: { type: "string", default: "1" },
    device: { type: "string", default: "wasm" }
  }
})

const optimizer = fromConfig(
  {
    kind: "adamw",
    learningRate: 1e-4,
    weightDecay: 0,
    clipNorm: null,
    schedule: { kind: "constant" },
    betas: [0.9, 0.999],
    epsilon: 1e-8
  },
  1000
)

/** A step with the top blocks adapted, which says how long it and its forward pass took. */
const openStep = (model: Model, top: number, [batch, length]: readonly [number, number]) =>
  Effect.gen(function* () {
    const targets = Array.from({ length: top }, (_, i) => `encoder.layer.${model.layers - 1 - i}.**`)
    const lora = { rank: 8, alpha: 16, scaling: "standard", init: { kind: "kaiming" }, targets } as const
    const { parts, ...own } = timed(yield* inject(model, methods.lora, lora), yield* optimizer, Training.crossEntropy)
    const session = yield* Training.openSession(own.adapted, { optimizer: own.optimizer, loss: own.loss })
    const group = [syntheticBatch(batch, length)]
    return Effect.map(Training.takeStep(session, group), ({ milliseconds, loss }) => ({ milliseconds, loss, ...parts }))
  })

const measured = (model: Model, top: number, shape: readonly [number, number]) =>
  Effect.gen(function* () {
    const blocks = model.layers - top
    const kept = yield* keepPrefix(model, { blocks, bytes: 2 ** 24, comesAgain: () => true })
    const [plain, own] = [yield* openStep(model, top, shape), yield* openStep(kept, top, shape)]
    const times: Array<{
      readonly without: number
      readonly forward: number
      readonly kept: number
      readonly own: number
    }> = []
    // the first step of each compiles, and fills what is kept
    for (let i = -1; i < Number(values.steps); i++) {
      const [one, other] = [yield* plain, yield* own]
      if (one.loss !== other.loss) throw new Error(`losses differ: ${one.loss} and ${other.loss}`)
      if (i >= 0)
        times.push({ without: one.milliseconds, forward: one.forward, kept: other.milliseconds, own: other.forward })
    }
    const of = (pick: (step: (typeof times)[number]) => number) => median(times.map(pick))
    return [
      `${shape[0]} × ${shape[1]}`,
      `${top} of ${model.layers}`,
      of(({ without }) => without).toFixed(0),
      of(({ kept }) => kept).toFixed(0),
      `${of((step) => step.kept / step.without).toFixed(2)}×`,
      of(({ forward }) => forward).toFixed(0),
      of(({ own }) => own).toFixed(0)
    ]
  }).pipe(Effect.scoped)

console.log(
  `${setting()} · ${values.device}, ${values.threads} ${values.threads === "1" ? "thread" : "threads"} · medians of ${values.steps} steps\n`
)
const rows = await Effect.gen(function* () {
  const model = yield* Models.load({ source: minilmFolder, task: "classification", labels: ["a", "b"] })
  return yield* Effect.forEach(parseShapes(values.shapes), (shape) =>
    Effect.forEach(values.top.split(",").map(Number), (top) => measured(model, top, shape))
  )
}).pipe(
  Effect.scoped,
  Effect.provide(Device.layer(values.device === "native" ? "native" : "wasm", { threads: Number(values.threads) })),
  Effect.provide(platform),
  Effect.runPromise
)
printTable(["tokens", "adapted", "ms", "ms, kept", "kept ÷ plain", "forward", "forward, kept"], rows.flat())
