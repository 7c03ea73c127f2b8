/**
 * The embedded run composed in code: the same parts that `bun run train` uses, in the order in which they act.
 *
 *   bun examples/pipelines/movies.ts [steps]
 *   deno run -A examples/pipelines/movies.ts [steps]
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
  linear,
  lora,
  loraPro,
  Models,
  Output,
  partition,
  platform,
  scaleByAdam,
  scaleByLearningRate,
  Training
} from "../../src/index.ts"

const here = (path: string) => new URL(path, import.meta.url).pathname
const steps = Number(process.argv[2] ?? 80)
const warmup = Math.round(steps / 10)

const program = Effect.gen(function* () {
  const labels = ["negative", "positive"]
  const model = yield* Models.load({ source: here("../models/minilm"), task: "classification", labels, seed: 0 })
  const adapted = yield* inject(model, lora, {
    rank: 8,
    alpha: 16,
    scaling: "standard",
    init: { kind: "kaiming" },
    targets: ["encoder.layer.*.**"],
    seed: 0
  })

  // the factors follow full fine-tuning at its own learning rate; the new head has a faster one
  const optimizer = partition({
    body: chain(loraPro({ inner: scaleByAdam() }), scaleByLearningRate(linear({ peak: 1e-4, steps, warmup }))),
    head: adamw({ learningRate: linear({ peak: 5e-3, steps, warmup }) })
  })

  yield* Dataset.classification(here("../data/movies/train.jsonl")).pipe(
    Dataset.tokenize(model.tokenizer, { maxLength: 32, labels }),
    Dataset.batch({ size: 8, seed: 0 }),
    Training.steps(adapted, { optimizer, loss: Training.crossEntropy }),
    Stream.take(steps),
    Stream.tap(({ step, loss }) => Console.log(`step ${step}: loss ${loss.toFixed(3)}`)),
    Stream.runDrain
  )

  const { accuracy, rows } = yield* Dataset.classification(here("../data/movies/validation.jsonl")).pipe(
    Dataset.tokenize(model.tokenizer, { maxLength: 32, labels }),
    Dataset.batch({ size: 48, seed: 0 }),
    Training.evaluate(adapted)
  )
  yield* Console.log(`validation accuracy ${(100 * accuracy).toFixed(1)} % on ${rows} rows`)
  yield* Output.savePeft(adapted, "runs/pipeline-movies", { base: here("../models/minilm") })
})

await program.pipe(Effect.scoped, Effect.provide(Device.auto), Effect.provide(platform), Effect.runPromise)
