/**
 * Parts of one's own: a data source that is no file, and an optimizer transform that the package does not have.
 *
 *   bun examples/pipelines/custom-parts.ts [steps]
 */

import * as tf from "@tensorflow/tfjs"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import {
  adamw,
  chain,
  Data,
  Device,
  inject,
  lora,
  loraPro,
  Models,
  partition,
  platform,
  scaleByAdam,
  scaleByLearningRate,
  Training,
  type Transform
} from "../../src/index.ts"

const here = (path: string) => new URL(path, import.meta.url).pathname
const steps = Number(process.argv[2] ?? 30)
const labels = ["question", "statement"]

/** A source: anything that yields { text, label, where }. Here sentences are made up as they are needed, without end. */
const sentences: Stream.Stream<Data.LabelledText> = Stream.range(0, Number.MAX_SAFE_INTEGER).pipe(
  Stream.map((i) => {
    const subject = ["the film", "this actor", "the ending", "her voice", "the music"][i % 5]!
    const quality = ["good", "long", "funny", "sad"][Math.floor(i / 5) % 4]!
    return i % 2 === 0
      ? { text: `is ${subject} ${quality}`, label: "question", where: `sentence ${i}` }
      : { text: `${subject} is ${quality}`, label: "statement", where: `sentence ${i}` }
  })
)

/**
 * A transform: gradient centralisation (Yong et al. 2020, arXiv 2004.01461), g ← g − mean of each row. A value with `init` and
 * `update`; as LoRA-Pro's inner transform it sees the equivalent gradient of W itself.
 */
const centralize: Transform<null> = {
  init: () => null,
  update: (updates, state) => ({
    updates: {
      pairs: updates.pairs,
      dense: updates.dense.map((parameter) => ({
        ...parameter,
        value: tf.sub(parameter.value, tf.mean(parameter.value, -1, true))
      }))
    },
    state
  })
}

const program = Effect.gen(function* () {
  const model = yield* Models.load({ source: here("../models/minilm"), task: "classification", labels, seed: 0 })
  const adapted = yield* inject(model, lora, {
    rank: 4,
    alpha: 8,
    scaling: "standard",
    init: { kind: "gaussian" },
    targets: ["query", "value"]
  })
  const optimizer = partition({
    body: chain(loraPro({ inner: chain(centralize, scaleByAdam()) }), scaleByLearningRate(2e-4)),
    head: adamw({ learningRate: 5e-3 })
  })
  yield* sentences.pipe(
    Data.tokenize(model.tokenizer, { maxLength: 16, labels }),
    Data.batch({ size: 8, seed: 1, pool: 2 }),
    Training.steps(adapted, { optimizer, loss: Training.crossEntropy, accumulate: 2 }),
    Stream.take(steps),
    Stream.runForEach(({ step, loss, health }) =>
      Console.log(`step ${step}: loss ${loss.toFixed(3)}, λ_min(BᵀB)/δ ${health.conditioning?.median.toExponential(1)}`)
    )
  )
})

await program.pipe(Effect.scoped, Effect.provide(Device.auto), Effect.provide(platform), Effect.runPromise)
