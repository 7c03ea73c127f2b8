/** POST /predict and POST /embed: the JSON that the commands of these names print. POST /v1/embeddings: OpenAI's vectors of texts. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { counted, type LimitName, limit, overLimit } from "../boundary/index.ts"
import type { Asked } from "../kinds/index.ts"
import { decodedBody } from "./body.ts"
import type { Holdings } from "./clients.ts"
import { tokensOf } from "./openai.ts"
import { overloaded, type Refusal, refusal, wrongField } from "./refusal.ts"
import { type Called, type Route, verbsOf } from "./route.ts"
import type { Served, ServedModels } from "./served.ts"

/** A text, a row with the plan's columns, or numbers. */
const Row = Schema.Union([Schema.String, Schema.Array(Schema.Finite), Schema.Record(Schema.String, Schema.Unknown)])
type Row = typeof Row.Type

const row = "a text, an object with the columns of the run's plan, or a list of numbers"

/** Body of a request for predictions. */
export const PredictBody = Schema.Struct({
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
  Array.isArray(inputs) && !(inputs.length > 0 && inputs.every((number) => typeof number === "number"))

/** Returns the rows of a body as inputs of runs. */
export const rowsOf = ({ inputs }: typeof PredictBody.Type): ReadonlyArray<Asked> =>
  (isList(inputs) ? inputs : [inputs]).map(inputOf)

const inputOf = (row: Row): Asked => (Array.isArray(row) ? JSON.stringify(row) : (row as Asked))

/** Checks that there are not too many texts and that none is too long. `field`: their name in the body. */
export const checkTexts = (rows: ReadonlyArray<unknown>, field: string): Effect.Effect<void, Refusal> => {
  if (rows.length === 0) return Effect.fail(wrongField(field, "is empty"))
  if (rows.length > limit("serve-rows"))
    return Effect.fail(refusal(422, `${field}: has more than ${overLimit("serve-rows")}`, { param: field }))
  const long = rows.findIndex((row) => typeof row === "string" && row.length > limit("serve-characters"))
  if (long < 0) return Effect.void
  const param = `${field}[${long}]`
  return Effect.fail(refusal(422, `${param}: is longer than ${overLimit("serve-characters")}`, { param }))
}

/** Returns the texts in rows, except those that contain an image. */
const textsIn = ({ run: { kind } }: Served, rows: ReadonlyArray<Asked>): ReadonlyArray<unknown> =>
  kind.images === undefined
    ? rows.map((row) => (typeof row === "string" ? row : (Object.values(row).find((value) => isLong(value)) ?? row)))
    : rows.map(() => null)

const isLong = (value: unknown) => typeof value === "string" && value.length > limit("serve-characters")

/** Fails if rows cannot be predicted. Returns the pixels of their images; undefined: rows have no images. */
const checkRows = (
  served: Served,
  rows: ReadonlyArray<Asked>
): Effect.Effect<ReadonlyArray<number> | undefined, Refusal> =>
  Effect.gen(function* () {
    yield* checkTexts(textsIn(served, rows), "inputs")
    const { kind, adapted, plan } = served.run
    if (kind.images !== undefined) return yield* pixelsOf(rows, (row) => kind.images!.pixels(plan, row))
    for (const [i, row] of rows.entries()) {
      const problem = kind.problemOf!(adapted, plan, row)
      if (problem !== undefined) return yield* wrongField(`inputs[${i}]`, problem)
    }
    return undefined
  })

/** Returns the number of pixels of each image from its header. Decodes nothing until all are known to be within the limits. */
export const pixelsOf = (
  rows: ReadonlyArray<Asked>,
  read: (row: Asked) => { readonly pixels: number } | { readonly broken: string }
): Effect.Effect<ReadonlyArray<number>, Refusal> =>
  Effect.gen(function* () {
    const over = (param: string, reason: string, name: LimitName) =>
      refusal(422, `${param}: ${reason}, more than ${overLimit(name)}`, { param })
    if (rows.length > limit("serve-images")) return yield* over("inputs", `has ${rows.length} images`, "serve-images")
    const all: Array<number> = []
    for (const [i, row] of rows.entries()) {
      const image = read(row)
      if ("broken" in image) return yield* wrongField(`inputs[${i}]`, image.broken)
      if (image.pixels > limit("serve-image-pixels"))
        return yield* over(`inputs[${i}]`, `the image has ${counted(image.pixels, "pixel")}`, "serve-image-pixels")
      all.push(image.pixels)
    }
    const sum = all.reduce((total, pixels) => total + pixels, 0)
    return sum > limit("serve-request-pixels")
      ? yield* over("inputs", `the images have ${counted(sum, "pixel")}`, "serve-request-pixels")
      : all
  })

/** Reserves room for the pixels for as long as the scope, if there is room. */
const heldPixels = (
  holdings: Holdings,
  client: string,
  pixels: ReadonlyArray<number>
): Effect.Effect<ReadonlyArray<number>, Refusal, Scope.Scope> =>
  Effect.gen(function* () {
    // a small image is made as large as the model's input
    const units = pixels.map((pixelCount) => Math.max(LEAST_PIXELS, pixelCount))
    const sum = units.reduce((total, unit) => total + unit, 0)
    if (!holdings.take(client, sum)) return yield* overloaded("serve-waiting-pixels", "waiting images")
    yield* Effect.addFinalizer(() => Effect.sync(() => holdings.give(client, sum)))
    return units
  })

const LEAST_PIXELS = 2 ** 16

/** Characters in one unit of work, about a short text. */
const CHARACTERS = 256

/** Returns the work for each row, in units of short texts. */
const textUnits = (rows: ReadonlyArray<unknown>): ReadonlyArray<number> =>
  rows.map((row) => 1 + lengthOf(row) / CHARACTERS)

const lengthOf = (row: unknown): number =>
  typeof row === "string"
    ? row.length
    : typeof row === "object" && row !== null
      ? Object.values(row).reduce((sum: number, value) => sum + (typeof value === "string" ? value.length : 1), 0)
      : 1

/** Converts a batch's failure to a refusal of the request. */
export const failedBatch = (error: { readonly _tag: string; readonly message: string }): Refusal =>
  refusal(error._tag === "DataError" ? 400 : 500, error.message)

/** `POST /predict`. */
export const predictRoute: Route = {
  method: "POST",
  path: "/predict",
  who: "key",
  answer: ({ models, bodies, pixels: waiting }, called) =>
    Effect.gen(function* () {
      const { client } = called
      const body = yield* decodedBody(called, PredictBody, bodies)
      const served = yield* models.use(body.model, ({ predict }) => predict !== null)
      called.answeredBy(served)
      if (served.predict === null)
        return yield* refusal(400, verbsOf(served, "cannot predict rows"), { param: "model" })
      const rows = rowsOf(body)
      const pixels = yield* checkRows(served, rows)
      const units = pixels === undefined ? textUnits(rows) : yield* heldPixels(waiting, client, pixels)
      const predictions = yield* Effect.mapError(served.predict.ask({ client, rows, units }), failedBatch)
      return { json: { model: served.name, predictions } }
    })
}

/** Computes the vectors of the texts in a field of a body. */
const vectorsOf = (
  models: ServedModels,
  called: Called,
  model: string | undefined,
  field: string,
  inputTexts: string | ReadonlyArray<string>
) =>
  Effect.gen(function* () {
    const served = yield* models.use(model, ({ embed }) => embed !== null)
    called.answeredBy(served)
    if (served.embed === null) return yield* refusal(400, verbsOf(served, "cannot compute vectors"), { param: "model" })
    const texts = typeof inputTexts === "string" ? [inputTexts] : inputTexts
    yield* checkTexts(texts, field)
    const vectors = served.embed.ask({ client: called.client, rows: texts, units: textUnits(texts) })
    return { served, texts, vectors: yield* Effect.mapError(vectors, failedBatch) }
  })

/** Rounds float32 values to nine significant digits, which represent them exactly. */
const shortest = (vector: Float32Array): ReadonlyArray<number> =>
  Array.from(vector, (value) => Number(value.toPrecision(9)))

/** `POST /embed`. */
export const embedRoute: Route = {
  method: "POST",
  path: "/embed",
  who: "key",
  answer: ({ models, bodies }, called) =>
    Effect.gen(function* () {
      const { model, inputs } = yield* decodedBody(called, EmbedBody, bodies)
      const { served, vectors } = yield* vectorsOf(models, called, model, "inputs", inputs)
      return { json: { model: served.name, vectors: vectors.map(shortest) } }
    })
}

const EmbeddingsBody = Schema.Struct({
  model: Schema.optionalKey(Schema.String),
  input: Schema.Union([Schema.String, Schema.Array(Schema.String)]).annotate({
    message: "expected a text, or a list of texts; tokens are not supported"
  }),
  encoding_format: Schema.optionalKey(Schema.Literals(["float", "base64"])),
  dimensions: Schema.optionalKey(Schema.Int),
  user: Schema.optionalKey(Schema.String)
})

/** Encodes float32 values in base64, little-endian. */
const base64 = (vector: Float32Array): string => {
  const view = new DataView(new ArrayBuffer(4 * vector.length))
  vector.forEach((value, i) => view.setFloat32(4 * i, value, true))
  return Buffer.from(view.buffer).toString("base64")
}

/** `POST /v1/embeddings`. */
export const embeddingsRoute: Route = {
  method: "POST",
  path: "/v1/embeddings",
  who: "key",
  answer: ({ models, bodies, metrics }, called) =>
    Effect.gen(function* () {
      const body = yield* decodedBody(called, EmbeddingsBody, bodies)
      const { served, texts, vectors } = yield* vectorsOf(models, called, body.model, "input", body.input)
      const width = vectors[0]!.length
      if (body.dimensions !== undefined && body.dimensions !== width)
        return yield* wrongField(
          "dimensions",
          `is ${body.dimensions}, but the vectors of ${served.name} have ${width} dimensions`
        )
      const longest =
        "maxLength" in served.run.plan.data ? Number(served.run.plan.data.maxLength) : Number.MAX_SAFE_INTEGER
      const tokens = tokensOf(served.run.adapted, texts, longest)
      yield* metrics.tokens(served.name, "prompt", tokens)
      const data = vectors.map((vector, index) => ({
        object: "embedding",
        index,
        embedding: body.encoding_format === "base64" ? base64(vector) : Array.from(vector)
      }))
      return {
        json: {
          object: "list",
          model: served.name,
          data,
          usage: { prompt_tokens: tokens, total_tokens: tokens }
        }
      }
    })
}
