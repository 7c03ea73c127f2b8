/**
 * Two adapters over one base: the frozen model is in memory once, and each task has its own small weights, head and
 * optimizer. Their steps take turns here; the base is the same object before, during and after.
 *
 *   bun examples/pipelines/two-adapters.ts [steps]
 *   deno run -A examples/pipelines/two-adapters.ts [steps]
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
  scaleByAdam,
  scaleByLearningRate,
  Training
} from "../../src/index.ts"

const here = (path: string) => new URL(path, import.meta.url).pathname
const steps = Number(process.argv[2] ?? 40)
const sample = ["What a delightful little film.", "Why is this dull film so long?"]

/** Does somebody like the film? */
const movies = Dataset.classification(here("../data/movies/train.jsonl"))

/** Does somebody ask? The same sentences, every other one with a question mark. */
const asking = movies.pipe(
  Stream.zipWithIndex,
  Stream.map(([{ text, where }, i]) => {
    const body = text.replace(/[.!?\s]+$/, "")
    return i % 2 === 0 ? { text: `${body}.`, label: "states", where } : { text: `${body}?`, label: "asks", where }
  })
)

/** A task over the base: an adapter of its own, and a step over each batch that comes. */
const task = (base: Models.Model, labels: ReadonlyArray<string>, rows: typeof movies, rank: number) =>
  Effect.gen(function* () {
    const before = tf.memory().numBytes
    const factors = { rank, alpha: 2 * rank, scaling: "standard", init: { kind: "kaiming" } } as const
    const adapted = yield* inject({ ...base, labels }, lora, { ...factors, targets: "attention" })
    const megabytes = (tf.memory().numBytes - before) / 1e6
    const body = chain(loraPro({ inner: scaleByAdam() }), scaleByLearningRate(1e-4))
    const optimizer = partition({ body, head: adamw({ learningRate: 5e-3 }) })
    const reports = rows.pipe(
      Dataset.tokenize(base.tokenizer, { maxLength: 32, labels }),
      Dataset.batch({ size: 8, seed: 0 }),
      Training.steps(adapted, { optimizer, loss: Training.crossEntropy })
    )
    const predict = Effect.gen(function* () {
      const examples = sample.map((text) => ({ ...base.tokenizer.encode(text, 32), label: 0 }))
      const batch = Dataset.padBatch(examples, { padId: base.tokenizer.padId, padMultiple: 1, maxLength: 32 })
      const logits = yield* Training.logitsOf(adapted, batch)
      return sample.map((_, i) => labels[logits[2 * i]! > logits[2 * i + 1]! ? 0 : 1]!)
    })
    return { reports, predict, megabytes }
  })

const program = Effect.gen(function* () {
  const labels = ["first", "second"] // each task names its own two classes
  const base = yield* Models.load({ source: here("../models/minilm"), task: "classification", labels, seed: 0 })
  const baseMegabytes = tf.memory().numBytes / 1e6
  const feels = yield* task(base, ["negative", "positive"], movies, 8)
  const asks = yield* task(base, ["states", "asks"], asking, 4)
  yield* Console.log(
    `in MB: base ${baseMegabytes.toFixed(1)}, adapters ${feels.megabytes.toFixed(2)} and ${asks.megabytes.toFixed(2)}`
  )
  yield* Stream.zip(feels.reports, asks.reports).pipe(
    Stream.take(steps),
    Stream.runForEach(([a, b]) => Console.log(`step ${a.step}: loss ${a.loss.toFixed(3)} and ${b.loss.toFixed(3)}`))
  )
  const [moods, kinds] = [yield* feels.predict, yield* asks.predict]
  yield* Effect.forEach(sample, (text, i) => Console.log(`${moods[i]}, ${kinds[i]}: ${text}`))
})

if (import.meta.main)
  await program.pipe(Effect.scoped, Effect.provide(Device.auto), Effect.provide(platform), Effect.runPromise)
