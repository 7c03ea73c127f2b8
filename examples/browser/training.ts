/**
 * Training in a page: the package's own stream of steps, which hands the thread back after each of them, so that the
 * page draws and listens; every `LOOK_EVERY` steps with a look at the full gradient.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import {
  adamw,
  chain,
  compiledLoss,
  Dataset,
  Device,
  linear,
  loraPro,
  type Models,
  scaleByAdam,
  scaleByLearningRate,
  Training
} from "../../src/browser.ts"
import { type Example, inputsOf, SIDE } from "./digit-image.ts"

export type Method = "lora-pro" | "lora"

const BATCH = 16
const LOOK_EVERY = 10
const SEED = 0

// the best of 1, 3 and 10 times 10⁻³ on the ready examples, each; falling to 0, so that the last steps settle
const optimizers = {
  "lora-pro": (steps: number) =>
    chain(loraPro({ inner: scaleByAdam() }), scaleByLearningRate(linear({ peak: 3e-3, steps }))),
  lora: (steps: number) => adamw({ learningRate: linear({ peak: 1e-2, steps }) })
} satisfies Record<Method, unknown>

/** Images and labels as a batch on the host. */
const batchOf = (examples: ReadonlyArray<Example>): Models.LayersBatch => {
  const size = examples.length
  const images = examples.map(({ greys }) => greys)
  // as floats: what tfjs's own losses take
  const labels = Float32Array.from(examples, ({ label }) => label)
  return {
    size,
    tokens: size,
    inputs: [{ values: inputsOf(images), shape: [size, SIDE, SIDE, 1], dtype: "float32" }],
    targets: [{ values: labels, shape: [size, 1], dtype: "float32" }]
  }
}

/** Batches without end, in a new order every epoch; an epoch's last one may be smaller. */
function* batches(examples: ReadonlyArray<Example>): Generator<Models.LayersBatch> {
  for (let epoch = 0; ; epoch++) {
    const order = [...Dataset.epochOrder(examples.length, SEED, epoch)]
    for (let at = 0; at < order.length; at += BATCH) {
      yield batchOf(order.slice(at, at + BATCH).map((i) => examples[i]!))
    }
  }
}

export interface TrainOptions {
  readonly method: Method
  readonly steps: number
  readonly step: (report: Training.StepReport) => void
  readonly look: (report: Training.DiagnosticsReport) => void
}

/** Trains `adapted` in place. May be interrupted between steps: what was trained until then stays. */
export const train = (
  adapted: Parameters<typeof Training.openSession<Models.LayersNetwork>>[0],
  examples: ReadonlyArray<Example>,
  { method, steps, step, look }: TrainOptions
) =>
  Effect.gen(function* () {
    const device = yield* Device
    const loss = yield* compiledLoss(adapted.model, { loss: "sparseCategoricalCrossentropy" })
    const session = yield* Training.openSession(adapted, { optimizer: optimizers[method](steps), loss })
    // a batch when it is needed: by itself a stream takes thousands from an iterable at once, and the page would wait
    yield* Stream.fromIterable(batches(examples), { chunkSize: 1 }).pipe(
      Stream.take(steps),
      Training.sessionSteps(session, {
        stepsPerRead: () => device.stepsPerRead,
        probe: { every: LOOK_EVERY, sites: adapted.sites, theorem: method === "lora-pro" },
        record: (_, seen) => Effect.sync(() => seen !== undefined && look(seen)).pipe(Effect.asVoid)
      }),
      Stream.runForEach((report) =>
        Effect.andThen(
          Effect.sync(() => step(report)),
          Effect.sleep(0)
        )
      )
    )
  }).pipe(Effect.scoped)

/**
 * A look in words. Discrepancies are taken at the best length of the method's direction, which a learning rate can make
 * up for; that LoRA-Pro's has the right length too is what a warning would deny.
 */
export const sentenceOfLook = ({ step, mean, sites, warnings }: Training.DiagnosticsReport): string => {
  const above = sites.map(({ method, best }) => (method.scaledDiscrepancy ?? 0) - (best.discrepancy ?? 0))
  const [own, least] = [mean.method.scaledDiscrepancy, mean.best.discrepancy].map((value) => value?.toFixed(4) ?? "–")
  const far = Number(Math.max(...above).toPrecision(2))
  return [`Before step ${step}: ${own}, least possible ${least}, farthest layer ${far} above it.`, ...warnings].join(
    " "
  )
}
