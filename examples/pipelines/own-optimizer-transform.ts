/**
 * An optimizer transform of one's own: Signum (Bernstein et al. 2018, arXiv 1802.04434), which moves every entry by
 * the same amount.
 *
 *   m ← βm + (1−β)g        u = sign(m)
 *
 * A transform is a value with `init` and `update`, of tensors that tfjs frees by itself; `chain` puts it anywhere.
 * Inside LoRA-Pro it sees what full fine-tuning would: the equivalent gradient [out, in] of each weight, whose sign
 * LoRA-Pro then brings as near as A and B can come to it. Around LoRA-Pro (`chain(loraPro(), scaleBySignum(), …)`) it
 * sees the factors' own directions.
 *
 *   bun examples/pipelines/own-optimizer-transform.ts [steps]
 *   deno run -A examples/pipelines/own-optimizer-transform.ts [steps]
 */

import * as tf from "@tensorflow/tfjs"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import {
  adamw,
  chain,
  Dataset,
  Device,
  inject,
  lora,
  loraPro,
  Models,
  partition,
  platform,
  scaleByLearningRate,
  Training,
  type Transform,
  tensorsOf,
  withTensors
} from "../../src/index.ts"

const here = (path: string) => new URL(path, import.meta.url).pathname
const steps = Number(process.argv[2] ?? 40)
const labels = ["negative", "positive"]

/** m of every parameter; a checkpoint saves it without knowing what it is. */
interface SignumState {
  readonly momentum: ReadonlyArray<tf.Tensor>
}

export const scaleBySignum = ({ b = 0.9 } = {}): Transform<SignumState> => ({
  init: (params) => ({ momentum: tensorsOf(params).map((tensor) => tf.zerosLike(tensor)) }),
  update: (updates, { momentum }) => {
    const next = tensorsOf(updates).map((g, i) => tf.add<tf.Tensor>(tf.mul(momentum[i]!, b), tf.mul(g, 1 - b)))
    const directions = next.map((tensor) => tf.sign(tensor))
    return { updates: withTensors(updates, directions), state: { momentum: next } }
  }
})

const program = Effect.gen(function* () {
  const model = yield* Models.load({ source: here("../models/minilm"), task: "classification", labels, seed: 0 })
  const factors = { rank: 8, alpha: 16, scaling: "standard", init: { kind: "kaiming" } } as const
  const adapted = yield* inject(model, lora, { ...factors, targets: "attention" })
  const optimizer = partition({
    // a third to a tenth of Adam's rate, since every entry takes a whole step
    body: chain(loraPro({ inner: scaleBySignum() }), scaleByLearningRate(2e-5)),
    head: adamw({ learningRate: 5e-3 })
  })
  yield* Dataset.classification(here("../data/movies/train.jsonl")).pipe(
    Dataset.tokenize(model.tokenizer, { maxLength: 32, labels }),
    Dataset.batch({ size: 8, seed: 0 }),
    Training.steps(adapted, { optimizer, loss: Training.crossEntropy }),
    Stream.take(steps),
    Stream.runForEach(({ step, loss, health }) =>
      Console.log(`step ${step}: loss ${loss.toFixed(3)}, ‖ΔA‖/‖A‖ ${health.relativeUpdateA?.median.toExponential(1)}`)
    )
  )
})

if (import.meta.main)
  await program.pipe(Effect.scoped, Effect.provide(Device.auto), Effect.provide(platform), Effect.runPromise)
