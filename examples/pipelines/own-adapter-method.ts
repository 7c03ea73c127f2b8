/**
 * An adapter method of one's own: VeRA (Kopiczko et al. 2023, arXiv 2310.11454). All layers share two random matrices
 * that are never trained; each layer trains two vectors.
 *
 *   y = x Wᵀ + bias + ((x Aᵀ) ∘ d) Bᵀ ∘ b            ΔW = diag(b) B diag(d) A
 *
 * Shapes: A [r, in], B [out, r] shared and frozen, d [r], b [out] trained. b starts at 0, and with it every layer as
 * its base.
 *
 * A method is a value: how a layer starts (`init`), what it computes (`forward`), and the one weight that computes the
 * same (`merge`). Injection, optimizers, evaluation and saving take it as they take LoRA.
 *
 *   bun examples/pipelines/own-adapter-method.ts [steps]
 *   deno run -A examples/pipelines/own-adapter-method.ts [steps]
 */

import * as tf from "@tensorflow/tfjs"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { type AdapterMethod, dequantized, type SiteSize } from "../../adapters/index.ts"
import { adamw, Data, Device, inject, Models, partition, platform, type Trainable, Training } from "../../src/index.ts"

const here = (path: string) => new URL(path, import.meta.url).pathname
const steps = Number(process.argv[2] ?? 30)
const labels = ["negative", "positive"]

/** What all layers of a model share, as large as the largest of them: whoever makes the method owns it. */
const shared = (rank: number, sites: Models.Model["sites"], seed: number) => {
  const widest = (side: "in" | "out") => Math.max(...sites.map((site) => site[side]))
  const random = (rows: number, columns: number, seed: number) =>
    tf.randomNormal<tf.Rank.R2>([rows, columns], 0, columns ** -0.5, "float32", seed)
  const draw = () => ({ A: random(rank, widest("in"), seed), B: random(widest("out"), rank, seed + 1) })
  return Effect.acquireRelease(Effect.sync(draw), (factors) => Effect.sync(() => tf.dispose(factors)))
}

/** The method over shared factors. `start`: what d starts with; the paper takes 0.1. */
export const vera = (rank: number, sites: Models.Model["sites"], seed = 0) =>
  Effect.map(shared(rank, sites, seed), ({ A, B }): AdapterMethod<{ readonly start: number }> => {
    /** diag(d)·A [r, in] and diag(b)·B [out, r] of a layer, its part of what is shared. */
    const factorsOf = ({ dense: [d, b] }: Trainable, [out, width]: readonly [number, number]) => ({
      down: tf.mul<tf.Tensor2D>(tf.slice(A, [0, 0], [rank, width]), tf.expandDims(d!.value, 1)),
      up: tf.mul<tf.Tensor2D>(tf.slice(B, [0, 0], [out, rank]), tf.expandDims(b!.value, 1))
    })
    return {
      method: "vera",
      size: ({ out }): SiteSize => ({ factors: 0, dense: rank + out }),
      init: ({ name, out }, { start }) =>
        Effect.sync(() => ({
          pairs: [],
          dense: [
            { name: `${name}.vera_d`, role: "body", value: tf.fill([rank], start) },
            { name: `${name}.vera_b`, role: "body", value: tf.zeros([out]) }
          ]
        })),
      forward: (site, trained, x, { W, bias }) => {
        const { down, up } = factorsOf(trained, [site.out, site.in])
        const added = tf.matMul(tf.matMul(x, down, false, true), up, false, true)
        const y = tf.add<tf.Tensor2D>(tf.matMul(x, dequantized(W), false, true), added)
        return bias === null ? y : tf.add(y, bias)
      },
      merge: (site, trained, { W }) =>
        tf.tidy(() => {
          const { down, up } = factorsOf(trained, [site.out, site.in])
          return tf.add(dequantized(W), tf.matMul(up, down))
        })
    }
  })

const program = Effect.gen(function* () {
  const model = yield* Models.load({ source: here("../models/minilm"), task: "classification", labels, seed: 0 })
  const method = yield* vera(64, model.sites)
  const adapted = yield* inject(model, method, { start: 0.1, targets: "all-linear" })
  const numbers = adapted.sites.reduce((sum, site) => sum + method.size(site, { start: 0.1 }).dense, 0)
  yield* Console.log(`${adapted.method}: ${numbers} numbers for ${adapted.sites.length} layers, beside the head`)
  yield* Data.classification(here("../data/movies/train.jsonl")).pipe(
    Data.tokenize(model.tokenizer, { maxLength: 32, labels }),
    Data.batch({ size: 8, seed: 0 }),
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
