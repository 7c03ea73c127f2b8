/**
 * A curriculum (Bengio et al. 2009): easy rows first, then all. Nothing of the package is about curricula: the rows are
 * a stream, and what comes when is said with a stream's own operators. Easy is short here; it could be what a first
 * model is sure of.
 *
 *   bun examples/pipelines/curriculum.ts [steps]
 *   deno run -A examples/pipelines/curriculum.ts [steps]
 */

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
  scaleByAdam,
  scaleByLearningRate,
  Training
} from "../../src/index.ts"

const here = (path: string) => new URL(path, import.meta.url).pathname
const steps = Number(process.argv[2] ?? 60)
const labels = ["negative", "positive"]

/** Words of a text at most, stage after stage. */
const stages = [8, 14, Number.POSITIVE_INFINITY]
const wordsOf = (text: string): number => text.split(/\s+/).length

const program = Effect.gen(function* () {
  const model = yield* Models.load({ source: here("../models/minilm"), task: "classification", labels, seed: 0 })
  const factors = { rank: 8, alpha: 16, scaling: "standard", init: { kind: "kaiming" } } as const
  const adapted = yield* inject(model, lora, { ...factors, targets: "all-linear" })

  /** Batches of the rows with at most so many words, epoch after epoch. */
  const stage = (words: number) =>
    Dataset.classification(here("../data/movies/train.jsonl")).pipe(
      Stream.filter(({ text }) => wordsOf(text) <= words),
      Stream.forever,
      Dataset.tokenize(model.tokenizer, { maxLength: 32, labels }),
      Dataset.batch({ size: 8, seed: 0 })
    )

  yield* Stream.fromIterable(stages).pipe(
    Stream.flatMap((words) => stage(words).pipe(Stream.take(Math.ceil(steps / stages.length)))),
    Training.steps(adapted, {
      optimizer: partition({
        body: chain(loraPro({ inner: scaleByAdam() }), scaleByLearningRate(1e-4)),
        head: adamw({ learningRate: 5e-3 })
      }),
      loss: Training.crossEntropy
    }),
    Stream.take(steps),
    Stream.runForEach(({ step, loss, tokens, rows }) =>
      Console.log(`step ${step}: loss ${loss.toFixed(3)}, ${(tokens / rows).toFixed(1)} tokens a row`)
    )
  )
})

if (import.meta.main)
  await program.pipe(Effect.scoped, Effect.provide(Device.auto), Effect.provide(platform), Effect.runPromise)
