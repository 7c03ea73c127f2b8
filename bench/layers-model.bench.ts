/**
 * Steps on a `tf.LayersModel`: ours, adapted and whole, beside tfjs's own `model.trainOnBatch`, in turn in one process.
 *
 *   bun bench/layers-model.bench.ts [--backend wasm,cpu] [--model digits,mobilenet] [--side 96] [--batch 32,4]
 *                                   [--steps 5]
 *
 * `--side`: of MobileNet's images; `--batch`: rows of a step, of each model. Medians over `--steps` rounds after one
 * that is not timed; a round takes one step of each. `tfjs fit` is Adam on all weights with the compiled loss; `full` is
 * Adam on all of them but depthwise kernels and batch normalisation. Peak: the process's largest resident size after
 * our first round, before tfjs takes a step.
 */
import { parseArgs } from "node:util"
import * as tf from "@tensorflow/tfjs"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import { full, inject, lora } from "../adapters/index.ts"
import { crossEntropy, digitsNetwork } from "../examples/digits/network.ts"
import { layer } from "../src/device/bun.ts"
import { peakResidentBytes } from "../src/device/wasm.ts"
import { fromLayersModel, type LayersBatch, type LayersNetwork } from "../src/models/index.ts"
import { randomStream } from "../src/numbers/random.ts"
import { chain, loraPro, scaleByAdam, scaleByLearningRate } from "../src/optimizers/index.ts"
import { openSession, takeStep } from "../src/training/index.ts"
import { printTable, setting } from "./cells.ts"
import { mobileNetV2 } from "./layers-model/mobilenet.ts"
import { median } from "./shapes.ts"

const { values } = parseArgs({
  options: {
    backend: { type: "string", default: "wasm,cpu" },
    model: { type: "string", default: "digits,mobilenet" },
    side: { type: "string", default: "96" },
    batch: { type: "string", default: "32,4" },
    steps: { type: "string", default: "5" }
  }
})

const [digitsBatch, mobileNetBatch] = values.batch.split(",").map(Number) as [number, number]
const side = Number(values.side)
const rounds = Number(values.steps)

interface Subject {
  readonly name: string
  readonly make: () => tf.LayersModel
  readonly rows: number
}

const subjects: Readonly<Record<string, Subject>> = {
  digits: { name: `digits CNN, ${digitsBatch} × 28×28`, make: digitsNetwork, rows: digitsBatch },
  mobilenet: {
    name: `MobileNetV2, ${mobileNetBatch} × ${side}×${side}`,
    make: () => mobileNetV2({ side }),
    rows: mobileNetBatch
  }
}

/** Random rows: what a step costs does not depend on what is in them. */
const batchFor = (model: tf.LayersModel, rows: number): LayersBatch => {
  const random = randomStream(0, "rows")
  const shape = [rows, ...(model.inputs[0]!.shape.slice(1) as Array<number>)]
  const classes = model.outputs[0]!.shape.at(-1)!
  const size = shape.reduce((product, n) => product * n, 1)
  return {
    size: rows,
    tokens: rows,
    inputs: [{ values: Float32Array.from({ length: size }, random), shape, dtype: "float32" }],
    targets: [
      { values: Int32Array.from({ length: rows }, () => Math.floor(random() * classes)), shape: [rows], dtype: "int32" }
    ]
  }
}

const factors = { rank: 4, alpha: 8, scaling: "standard", init: { kind: "kaiming" }, targets: "all-linear" } as const

/** Takes one step. */
type Step = Effect.Effect<void, unknown>

const ourSteps = (network: LayersNetwork, batch: LayersBatch) =>
  Effect.gen(function* () {
    const rate = scaleByLearningRate(1e-4)
    const open = { loss: crossEntropy }
    const adapted = {
      LoRA: { adapted: yield* inject(network, lora, factors), inner: scaleByAdam() },
      "LoRA-Pro efficient": { adapted: yield* inject(network, lora, factors), inner: chain(loraPro(), scaleByAdam()) },
      "LoRA-Pro full": { adapted: yield* inject(network, lora, factors), inner: loraPro({ inner: scaleByAdam() }) },
      full: { adapted: yield* inject(network, full, { targets: "all-linear" }), inner: scaleByAdam() }
    }
    const named = yield* Effect.forEach(Object.entries(adapted), ([name, { adapted, inner }]) =>
      Effect.map(openSession(adapted, { ...open, optimizer: chain(inner, rate) }), (session) => {
        const take: Step = Effect.asVoid(takeStep(session, [batch]))
        return [name, take] as const
      })
    )
    return named
  })

const stockStep = (model: tf.LayersModel, { inputs, targets }: LayersBatch): Step => {
  model.compile({ optimizer: tf.train.adam(1e-4), loss: "sparseCategoricalCrossentropy" })
  const x = tf.tensor(inputs[0]!.values, [...inputs[0]!.shape])
  const y = tf.tensor(targets[0]!.values, [...targets[0]!.shape], "float32")
  return Effect.promise(() => model.trainOnBatch(x, y))
}

/** Milliseconds of a step, or in one line why there are none. */
const timed = (take: Step): Effect.Effect<number | string> =>
  Effect.suspend(() => {
    const began = performance.now()
    return Effect.map(take, () => performance.now() - began)
  }).pipe(Effect.catchCause((cause) => Effect.succeed(`${Cause.squash(cause)}`.split("\n")[0]!)))

const cell = (times: ReadonlyArray<number | string>): number | string =>
  times.find((time) => typeof time === "string") ?? median((times as ReadonlyArray<number>).slice(1))

const rowsOf = ({ name, make, rows }: Subject, backend: string) =>
  Effect.gen(function* () {
    const model = make()
    const batch = batchFor(model, rows)
    const ours = yield* ourSteps(yield* fromLayersModel(model), batch)
    const all = [...ours, ["tfjs fit", stockStep(make(), batch)] as const]
    const found = new Map<string, Array<number | string>>(all.map(([step]) => [step, []]))
    let peak = 0
    for (let round = 0; round <= rounds; round++) {
      for (const [step, take] of all) {
        if (peak === 0 && step === "tfjs fit") peak = peakResidentBytes()
        const times = found.get(step)!
        if (typeof times.at(-1) !== "string") times.push(yield* timed(take))
      }
    }
    const stock = cell(found.get("tfjs fit")!)
    return all.map(([step]): ReadonlyArray<string> => {
      const own = cell(found.get(step)!)
      const ratio = typeof own === "number" && typeof stock === "number" ? `${(stock / own).toFixed(2)}×` : "–"
      const shown = typeof own === "number" ? own.toFixed(0) : own
      return [name, backend, step, shown, ratio, step === "tfjs fit" ? "" : `${Math.round(peak / 1e6)}`]
    })
  }).pipe(Effect.scoped)

const table: Array<ReadonlyArray<string>> = []
for (const backend of values.backend.split(",") as ReadonlyArray<"wasm" | "cpu">) {
  for (const name of values.model.split(",")) {
    const subject = subjects[name]
    if (subject === undefined)
      throw new Error(`--model: found ${name}; expected some of ${Object.keys(subjects).join(", ")}`)
    const rows = rowsOf(subject, backend).pipe(Effect.provide(layer(backend, { threads: 1 })), Effect.runPromise)
    table.push(...(await rows))
  }
}
console.log(`\n${setting()} · one thread\n`)
printTable(["model", "backend", "step", "ms", "tfjs fit ÷ this", "peak MB"], table)
process.exit(0)
