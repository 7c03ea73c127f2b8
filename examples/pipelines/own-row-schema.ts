/**
 * A row schema of one's own: a file in the shape that it has, held against a schema of the library that the program
 * already uses. Columns of a CSV file are strings; the schema makes numbers and labels of them, and what comes out is
 * typed. Every row is checked before the first step: give a file with mistakes, and each is told with its line, its
 * column and what is there.
 *
 *   bun examples/pipelines/own-row-schema.ts [steps] [file.csv | file.jsonl]
 *   deno run -A examples/pipelines/own-row-schema.ts [steps] [file.csv | file.jsonl]
 */

import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as z from "zod"
import { adamw, Dataset, Device, inject, lora, Models, partition, platform, Training } from "../../src/index.ts"

const here = (path: string) => new URL(path, import.meta.url).pathname
const steps = Number(process.argv[2] ?? 30)
const file = process.argv[3] ?? here("reviews.csv")
const labels = ["negative", "positive"]

/** With zod. valibot and arktype are given in the same way: any Standard Schema is (https://standardschema.dev). */
export const Review = z.object({
  stars: z.coerce.number().int().min(1).max(5),
  comment: z.string().trim().min(1),
  language: z.literal("en")
})

/** The same in effect's own Schema, which becomes a Standard Schema by one call. */
export const ReviewInEffect = Schema.toStandardSchemaV1(
  Schema.Struct({
    stars: Schema.NumberFromString.check(Schema.isInt(), Schema.isBetween({ minimum: 1, maximum: 5 })),
    comment: Schema.Trim.check(Schema.isNonEmpty()),
    language: Schema.Literal("en")
  })
)

/** Three stars are no opinion. `where` is the row's place, for whatever is said of it later. */
const labelled = Dataset.rows(file, Review).pipe(
  Stream.filter(({ value }) => value.stars !== 3),
  Stream.map(({ value: { stars, comment }, where }) => ({
    text: comment,
    label: stars > 3 ? "positive" : "negative",
    where
  }))
)

const program = Effect.gen(function* () {
  yield* Console.log(`${yield* Stream.runCount(labelled)} rows with an opinion in ${file}`)
  const model = yield* Models.load({ source: here("../models/minilm"), task: "classification", labels, seed: 0 })
  const factors = { rank: 8, alpha: 16, scaling: "standard", init: { kind: "kaiming" } } as const
  const adapted = yield* inject(model, lora, { ...factors, targets: "attention" })
  yield* labelled.pipe(
    Stream.forever, // epoch after epoch
    Dataset.tokenize(model.tokenizer, { maxLength: 16, labels }),
    Dataset.batch({ size: 11, seed: 0, pool: 2 }),
    Training.steps(adapted, {
      optimizer: partition({ body: adamw({ learningRate: 1e-3 }), head: adamw({ learningRate: 5e-3 }) }),
      loss: Training.crossEntropy
    }),
    Stream.take(steps),
    Stream.runForEach(({ step, loss }) => Console.log(`step ${step}: loss ${loss.toFixed(3)}`))
  )
}).pipe(
  Effect.catchTag("DataError", ({ message }) => {
    process.exitCode = 1
    return Console.error(message)
  })
)

if (import.meta.main)
  await program.pipe(Effect.scoped, Effect.provide(Device.auto), Effect.provide(platform), Effect.runPromise)
