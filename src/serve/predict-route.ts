/** POST /predict and POST /embed: what the commands of these names print as JSON. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { limit, overLimit } from "../boundary/index.ts"
import type { Asked } from "../kinds/index.ts"
import { decodedBody } from "./body.ts"
import { type Refusal, refusal, wrongField } from "./refusal.ts"
import type { Route } from "./route.ts"
import type { Served } from "./served.ts"
import { verbsOf } from "./verbs.ts"

/** A text, a row with the plan's columns, or numbers. */
const Row = Schema.Union([Schema.String, Schema.Array(Schema.Finite), Schema.Record(Schema.String, Schema.Unknown)])
type Row = typeof Row.Type

const row = "a text, an object with the columns of the run's plan, or a list of numbers"

const PredictBody = Schema.Struct({
  model: Schema.optionalKey(Schema.String),
  inputs: Schema.Union([Row, Schema.Array(Row)]).annotate({ message: `expected ${row}, or a list of these` })
})

const EmbedBody = Schema.Struct({
  model: Schema.optionalKey(Schema.String),
  inputs: Schema.Union([Schema.String, Schema.Array(Schema.String)]).annotate({
    message: "expected a text, or a list of texts"
  })
})

const isList = (inputs: Row | ReadonlyArray<Row>): inputs is ReadonlyArray<Row> =>
  Array.isArray(inputs) && !(inputs.length > 0 && inputs.every((one) => typeof one === "number"))

const asked = (one: Row): Asked => (Array.isArray(one) ? JSON.stringify(one) : (one as Asked))

/** Not too many, and none too long. `field`: what they are called in the body. */
export const checkTexts = (rows: ReadonlyArray<unknown>, field: string): Effect.Effect<void, Refusal> => {
  if (rows.length === 0) return Effect.fail(wrongField(field, "is empty"))
  if (rows.length > limit("serve-rows"))
    return Effect.fail(refusal(422, `${field}: has more than ${overLimit("serve-rows")}`, { param: field }))
  const long = rows.findIndex((one) => typeof one === "string" && one.length > limit("serve-characters"))
  if (long < 0) return Effect.void
  const param = `${field}[${long}]`
  return Effect.fail(refusal(422, `${param}: is longer than ${overLimit("serve-characters")}`, { param }))
}

/** Texts in rows too, but for what holds an image. */
const textsIn = ({ run: { kind } }: Served, rows: ReadonlyArray<Asked>): ReadonlyArray<unknown> =>
  kind.namesFile === undefined
    ? rows.map((one) => (typeof one === "string" ? one : (Object.values(one).find((value) => isLong(value)) ?? one)))
    : rows.map(() => null)

const isLong = (value: unknown) => typeof value === "string" && value.length > limit("serve-characters")

/** What keeps rows from being predicted. */
const checkRows = (served: Served, rows: ReadonlyArray<Asked>): Effect.Effect<void, Refusal> =>
  Effect.gen(function* () {
    yield* checkTexts(textsIn(served, rows), "inputs")
    const { kind, adapted, plan } = served.run
    for (const [i, one] of rows.entries()) {
      const field = `inputs[${i}]`
      if (kind.namesFile?.(plan, one) === true)
        return yield* wrongField(
          field,
          "names a file of the server, which reads none for others: send it as a data: URI"
        )
      const problem = kind.problemOf!(adapted, plan, one)
      if (problem !== undefined) return yield* wrongField(field, problem)
    }
  })

/** A batch's failure as the request's. */
export const failedBatch = (error: { readonly _tag: string; readonly message: string }): Refusal =>
  refusal(error._tag === "DataError" ? 400 : 500, error.message)

export const predictRoute: Route = {
  method: "POST",
  path: "/predict",
  who: "key",
  answer: ({ models, held }, { request, answeredBy }) =>
    Effect.gen(function* () {
      const { model, inputs } = yield* decodedBody(request, PredictBody, held)
      const served = yield* models.use(model, ({ predict }) => predict !== null)
      answeredBy(served)
      if (served.predict === null) return yield* refusal(400, verbsOf(served, "labels no rows"), { param: "model" })
      const rows = (isList(inputs) ? inputs : [inputs]).map(asked)
      yield* checkRows(served, rows)
      const predictions = yield* Effect.mapError(served.predict.ask(rows), failedBatch)
      return { json: { model: served.name, predictions } }
    })
}

/** A float32 in as few digits as say it. */
const shortest = (vector: Float32Array): ReadonlyArray<number> =>
  Array.from(vector, (value) => Number(value.toPrecision(9)))

export const embedRoute: Route = {
  method: "POST",
  path: "/embed",
  who: "key",
  answer: ({ models, held }, { request, answeredBy }) =>
    Effect.gen(function* () {
      const { model, inputs } = yield* decodedBody(request, EmbedBody, held)
      const served = yield* models.use(model, ({ embed }) => embed !== null)
      answeredBy(served)
      if (served.embed === null) return yield* refusal(400, verbsOf(served, "makes no vectors"), { param: "model" })
      const texts = typeof inputs === "string" ? [inputs] : inputs
      yield* checkTexts(texts, "inputs")
      const vectors = yield* Effect.mapError(served.embed.ask(texts), failedBatch)
      return { json: { model: served.name, vectors: vectors.map(shortest) } }
    })
}
