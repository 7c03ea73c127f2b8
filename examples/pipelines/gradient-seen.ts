/**
 * How much of the full gradient a method follows: before each step the true gradient of some weights is formed, and
 * held beside what LoRA-Pro makes of it and what any move of the factors could at best. Take `adamw` for the body, and
 * see plain LoRA stay behind.
 *
 *   bun examples/pipelines/gradient-seen.ts [steps]
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
const steps = Number(process.argv[2] ?? 10)
const labels = ["negative", "positive"]
const percent = (share: number | null) => `${(100 * share!).toFixed(1)} %`

const program = Effect.gen(function* () {
  const model = yield* Models.load({ source: here("../models/minilm"), task: "classification", labels, seed: 0 })
  const factors = { rank: 8, alpha: 16, scaling: "standard", init: { kind: "kaiming" } } as const
  const adapted = yield* inject(model, lora, { ...factors, targets: "all-linear" })
  const session = yield* Training.openSession(adapted, {
    optimizer: partition({
      body: chain(loraPro({ inner: scaleByAdam() }), scaleByLearningRate(1e-4)),
      head: adamw({ learningRate: 5e-3 })
    }),
    loss: Training.crossEntropy
  })
  yield* Dataset.classification(here("../data/movies/train.jsonl")).pipe(
    Dataset.tokenize(model.tokenizer, { maxLength: 32, labels }),
    Dataset.batch({ size: 8, seed: 0 }),
    Stream.take(steps),
    Stream.runForEach((batch) =>
      Effect.gen(function* () {
        const { mean } = yield* Training.diagnose(session, [batch], ["query", "value"], { theorem: true })
        const { step, loss } = yield* Training.takeStep(session, [batch])
        const [missed, least] = [mean.method.discrepancy, mean.best.discrepancy].map(percent)
        yield* Console.log(`step ${step}: loss ${loss.toFixed(3)}, ${missed} of ‖g‖ missed, at best ${least}`)
      })
    )
  )
})

await program.pipe(Effect.scoped, Effect.provide(Device.auto), Effect.provide(platform), Effect.runPromise)
