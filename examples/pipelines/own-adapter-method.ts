/**
 * An adapter method of one's own: each layer trains one number per output, the scale of that row of its weight (the
 * linear case of (IA)³, Liu et al. 2022, arXiv 2205.05638).
 *
 *   y = l ∘ (x Wᵀ) + bias            W′ = diag(l) W
 *
 * Shapes: x [tokens, in], W [out, in] frozen, l [out] trained. l starts at 1, and with it every layer as its base.
 *
 * A method is a value: how a layer is initialized (`init`), what it computes (`forward`), the one weight that computes
 * the same (`merge`), and the facts that others ask of it. A missing one is a compile error. Injection, optimizers,
 * evaluation and saving take it as they take LoRA.
 *
 *   bun examples/pipelines/own-adapter-method.ts [steps]
 *   deno run -A examples/pipelines/own-adapter-method.ts [steps]
 */

import * as tf from "@tensorflow/tfjs"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { type AdapterMethod, dequantized } from "../../adapters/index.ts"
import { adamw, Dataset, Device, inject, Models, partition, platform, Training } from "../../src/index.ts"

const here = (path: string) => new URL(path, import.meta.url).pathname
const steps = Number(process.argv[2] ?? 30)
const labels = ["negative", "positive"]

const noFactors = { holds: false, because: "which has no factors A and B" } as const

/** `start`: what l starts with. */
export const rowScaling: AdapterMethod<{ readonly start: number }> = {
  tag: "row-scaling",
  label: "row scaling",
  paper: "2205.05638",
  theorem: noFactors,
  factors: noFactors,
  trains: "parts",
  size: ({ out }) => ({ factors: 0, dense: out, frozen: 0, state: 0 }),
  keepsOutputs: true,
  columns: () => ({}),
  shared: null,
  calibration: null,
  initRanks: null,
  init: ({ name, out }, { start }) =>
    Effect.sync(() => ({
      pairs: [],
      dense: [{ name: `${name}.scale`, role: "body", value: tf.fill([out], start) }]
    })),
  dropout: null,
  forward: (
    {
      part: {
        dense: [l]
      }
    },
    x,
    { W, bias }
  ) => {
    const y = tf.mul<tf.Tensor2D>(tf.matMul(x, dequantized(W), false, true), l!.value)
    return bias === null ? y : tf.add(y, bias)
  },
  merge: (
    {
      part: {
        dense: [l]
      }
    },
    { W }
  ) => tf.tidy(() => tf.mul(dequantized(W), tf.expandDims(l!.value, 1))),
  trainsBias: false,
  penalty: null,
  allocation: null,
  sum: { by: "values" },
  peft: { layout: null, because: "PEFT's (IA)³ scales inputs and outputs in a layout of its own" },
  compared: {}
}

const program = Effect.gen(function* () {
  const model = yield* Models.load({ source: here("../models/minilm"), task: "classification", labels, seed: 0 })
  const adapted = yield* inject(model, rowScaling, { start: 1, targets: "all-linear" })
  const numbers = adapted.sites.reduce((sum, { out }) => sum + out, 0)
  yield* Console.log(`${rowScaling.label}: ${numbers} numbers for ${adapted.sites.length} layers, beside the head`)
  yield* Dataset.classification(here("../data/movies/train.jsonl")).pipe(
    Dataset.tokenize(model.tokenizer, { maxLength: 32, labels }),
    Dataset.batch({ size: 8, seed: 0 }),
    Training.steps(adapted, {
      optimizer: partition({ body: adamw({ learningRate: 1e-2 }), head: adamw({ learningRate: 5e-3 }) }),
      loss: Training.crossEntropy
    }),
    Stream.take(steps),
    Stream.runForEach(({ step, loss }) => Console.log(`step ${step}: loss ${loss.toFixed(3)}`))
  )
})

if (import.meta.main)
  await program.pipe(Effect.scoped, Effect.provide(Device.auto), Effect.provide(platform), Effect.runPromise)
