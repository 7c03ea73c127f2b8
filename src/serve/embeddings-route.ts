/** POST /v1/embeddings: OpenAI's vectors of texts. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { decodedBody } from "./body.ts"
import { checkTexts, failedBatch, textUnits } from "./predict-route.ts"
import { refusal, wrongField } from "./refusal.ts"
import type { Route } from "./route.ts"
import { tokensOf } from "./tokens.ts"
import { verbsOf } from "./verbs.ts"

const EmbeddingsBody = Schema.Struct({
  model: Schema.optionalKey(Schema.String),
  input: Schema.Union([Schema.String, Schema.Array(Schema.String)]).annotate({
    message: "expected a text, or a list of texts; tokens are not taken"
  }),
  encoding_format: Schema.optionalKey(Schema.Literals(["float", "base64"])),
  dimensions: Schema.optionalKey(Schema.Int),
  user: Schema.optionalKey(Schema.String)
})

/** float32 numbers, the lowest byte first. */
const base64 = (vector: Float32Array): string => {
  const view = new DataView(new ArrayBuffer(4 * vector.length))
  vector.forEach((value, i) => view.setFloat32(4 * i, value, true))
  return Buffer.from(view.buffer).toString("base64")
}

export const embeddingsRoute: Route = {
  method: "POST",
  path: "/v1/embeddings",
  who: "key",
  answer: ({ models, bodies, metrics }, called) =>
    Effect.gen(function* () {
      const body = yield* decodedBody(called, EmbeddingsBody, bodies)
      const served = yield* models.use(body.model, ({ embed }) => embed !== null)
      called.answeredBy(served)
      if (served.embed === null) return yield* refusal(400, verbsOf(served, "makes no vectors"), { param: "model" })
      const texts = typeof body.input === "string" ? [body.input] : body.input
      yield* checkTexts(texts, "input")
      const vectors = yield* Effect.mapError(
        served.embed.ask({ client: called.client, rows: texts, units: textUnits(texts) }),
        failedBatch
      )
      const width = vectors[0]!.length
      if (body.dimensions !== undefined && body.dimensions !== width)
        return yield* wrongField("dimensions", `is ${body.dimensions}; the vectors of ${served.name} have ${width}`)
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
