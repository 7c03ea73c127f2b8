/**
 * An optimizer of tfjs trains an adapter: `adapted.variables()` returns its parameters as `tf.Variable`s, which the forward pass reads.
 *
 *   bun examples/pipelines/tfjs-optimizer.ts [steps]
 *   deno run -A examples/pipelines/tfjs-optimizer.ts [steps]
 */
import * as tf from "@tensorflow/tfjs"
import { Console, Effect, Stream } from "effect"
import { Dataset, Device, inject, lora, Models, platform, Training } from "../../src/index.ts"

const here = (path: string) => new URL(path, import.meta.url).pathname
const labels = ["negative", "positive"]

const program = Effect.gen(function* () {
  const model = yield* Models.load({ source: here("../models/minilm"), task: "classification", labels })
  const adapted = yield* inject(model, lora, { rank: 8 })
  const variables = adapted.variables()
  const adam = tf.train.adam(1e-3)

  const step = Effect.fnUntraced(function* ([batch, i]: readonly [Dataset.Batch, number]) {
    const loss = tf.tidy(() => {
      const { input, target } = model.toDevice(batch)
      const lossOf = () => Training.crossEntropy(adapted.forward(input, adapted.trainable), target)
      return adam.minimize(lossOf, true, variables)!
    })
    const [value] = yield* Effect.promise(() => loss.data())
    loss.dispose()
    yield* Console.log(`step ${i + 1}: loss ${value!.toFixed(3)}`)
  })
  yield* Dataset.classification(here("../data/movies/train.jsonl")).pipe(
    Dataset.tokenize(model.tokenizer, { maxLength: 32, labels }),
    Dataset.batch({ size: 16 }),
    Stream.take(Number(process.argv[2] ?? 40)),
    Stream.zipWithIndex,
    Stream.runForEach(step)
  )
})

await program.pipe(Effect.scoped, Effect.provide(Device.auto), Effect.provide(platform), Effect.runPromise)
