/**
 * A data source of one's own: whatever yields a text, a label and a place is training data. Here a cursor that gives
 * pages, as a database or a paged API does: awaited, endless, closed behind the last row that anybody wants, and read
 * ahead while a step is computed.
 *
 *   bun examples/pipelines/own-data-source.ts [steps]
 *   deno run -A examples/pipelines/own-data-source.ts [steps]
 */

import { setTimeout as sleep } from "node:timers/promises"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
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
const steps = Number(process.argv[2] ?? 30)
const labels = ["question", "statement"]

interface Message {
  readonly id: number
  readonly body: string
  readonly asks: boolean
}

const message = (id: number): Message => {
  const subject = ["the film", "this actor", "the ending", "her voice", "the music"][id % 5]!
  const quality = ["good", "long", "funny", "sad"][Math.floor(id / 5) % 4]!
  const asks = id % 2 === 0
  return { id, body: asks ? `is ${subject} ${quality}` : `${subject} is ${quality}`, asks }
}

/** Stands for the client library of a database: it knows nothing of Effect. */
async function* cursor(pageSize: number): AsyncGenerator<ReadonlyArray<Message>> {
  let next = 0
  try {
    for (; ; next += pageSize) {
      await sleep(1)
      yield Array.from({ length: pageSize }, (_, i) => message(next + i))
    }
  } finally {
    console.log(`the cursor is closed at message ${next}`)
  }
}

/** A failure of the source ends training as a typed error, beside those of data, model and device. */
class SourceLost extends Schema.TaggedError<SourceLost>()("SourceLost", { reason: Schema.String }) {}

const messages: Stream.Stream<Dataset.LabelledText, SourceLost> = Stream.suspend(() =>
  Stream.fromAsyncIterable(cursor(16), (cause) => new SourceLost({ reason: String(cause) }))
).pipe(
  Stream.flattenIterable,
  Stream.map(({ id, body, asks }) => ({ text: body, label: asks ? "question" : "statement", where: `message ${id}` })),
  Stream.buffer({ capacity: 32 })
)

const program = Effect.gen(function* () {
  const model = yield* Models.load({ source: here("../models/minilm"), task: "classification", labels, seed: 0 })
  const factors = { rank: 4, alpha: 8, scaling: "standard", init: { kind: "kaiming" } } as const
  const adapted = yield* inject(model, lora, { ...factors, targets: ["query", "value"] })
  const body = chain(loraPro({ inner: scaleByAdam() }), scaleByLearningRate(2e-4))
  yield* messages.pipe(
    Dataset.tokenize(model.tokenizer, { maxLength: 16, labels }),
    Dataset.batch({ size: 8, seed: 1, pool: 2 }),
    Training.steps(adapted, {
      optimizer: partition({ body, head: adamw({ learningRate: 5e-3 }) }),
      loss: Training.crossEntropy
    }),
    Stream.take(steps),
    Stream.runForEach(({ step, loss }) => Console.log(`step ${step}: loss ${loss.toFixed(3)}`))
  )
})

if (import.meta.main)
  await program.pipe(Effect.scoped, Effect.provide(Device.auto), Effect.provide(platform), Effect.runPromise)
