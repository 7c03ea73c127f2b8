/** POST /v1/completions: OpenAI's completions of raw prompts; a run that maps one text to another returns the other text. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { limit, overLimit } from "../boundary/index.ts"
import type { GenerationEvent, Prompt } from "../generation/index.ts"
import { decodedBody } from "./body.ts"
import { type Form, generateOptions, mostTokens, replyOf, tokensOf, writingFields } from "./openai.ts"
import { checkTexts, failedBatch } from "./predict-route.ts"
import { type Refusal, refusal, wrongField } from "./refusal.ts"
import { type Route, verbsOf } from "./route.ts"
import type { Served } from "./served.ts"

const Tokens = Schema.Array(Schema.Int).check(Schema.isMinLength(1))

const CompletionBody = Schema.Struct({
  ...writingFields,
  prompt: Schema.Union([Schema.String, Schema.Array(Schema.String), Tokens, Schema.Array(Tokens)]).annotate({
    message: "expected a text, a list of tokens, or a list of either"
  }),
  best_of: writingFields.n,
  echo: Schema.optionalKey(Schema.Literal(false).annotate({ message: "must be false" })),
  logprobs: Schema.optionalKey(Schema.Literal(0).annotate({ message: "must be 0" })),
  suffix: Schema.optionalKey(Schema.Literal("").annotate({ message: 'must be ""' }))
})

const form: Form = {
  prefix: "cmpl",
  object: "text_completion",
  chunk: "text_completion",
  whole: (text) => ({ text }),
  piece: (text) => ({ text }),
  call: () => [],
  reader: null,
  begin: null,
  end: { text: "" }
}

const promptsOf = (prompt: (typeof CompletionBody.Type)["prompt"]): ReadonlyArray<Prompt> => {
  if (typeof prompt === "string") return [prompt]
  return typeof prompt[0] === "number" ? [prompt as ReadonlyArray<number>] : (prompt as ReadonlyArray<Prompt>)
}

/** Default number of tokens, as in OpenAI's API. */
const USUAL_TOKENS = 16

/** Sampling fields, which a model that always writes the most probable text does not support. */
const choosing = ["temperature", "top_p", "top_k", "repetition_penalty", "stop"] as const

/** Generates texts from the first token to the last in one turn. */
const wholeReply = (
  client: string,
  served: Served,
  body: typeof CompletionBody.Type,
  prompts: ReadonlyArray<Prompt>,
  maxTokens: number
): Effect.Effect<Stream.Stream<GenerationEvent, Refusal>, Refusal> =>
  Effect.gen(function* () {
    const texts = prompts.filter((prompt) => typeof prompt === "string")
    if (texts.length < prompts.length) return yield* wrongField("prompt", `${served.name} accepts texts, not tokens`)
    const field = choosing.find((name) => body[name] !== undefined && body[name] !== 0)
    if (field !== undefined)
      return yield* wrongField(
        field,
        `${served.name} is an encoder-decoder, which generates its most probable output: remove this field`
      )
    const all = yield* Effect.mapError(served.write!(client, texts, { maxTokens }), failedBatch)
    const events = all.flatMap(
      ({ text, tokens, finish }, i): ReadonlyArray<GenerationEvent> => [
        { kind: "text", prompt: i, text },
        {
          kind: "end",
          prompt: i,
          text,
          ids: new Array<number>(tokens).fill(0),
          finish,
          promptTokens: tokensOf(served.run.adapted, [texts[i]!], Number.MAX_SAFE_INTEGER),
          cachedTokens: 0,
          tokensPerSecond: null
        }
      ]
    )
    return Stream.fromIterable(events)
  })

/** `POST /v1/completions`. */
export const completionsRoute: Route = {
  method: "POST",
  path: "/v1/completions",
  who: "key",
  answer: ({ models, generating, bodies }, called) =>
    Effect.gen(function* () {
      const body = yield* decodedBody(called, CompletionBody, bodies)
      const served = yield* models.use(body.model, ({ writing, write }) => writing !== null || write !== null)
      called.answeredBy(served)
      if (served.writing === null && served.write === null)
        return yield* refusal(400, verbsOf(served, "cannot generate text"), { param: "model" })
      const prompts = promptsOf(body.prompt)
      yield* checkTexts(prompts, "prompt")
      if (served.writing !== null && prompts.length > limit("serve-texts"))
        return yield* refusal(422, `prompt: has more than ${overLimit("serve-texts")}`, { param: "prompt" })
      const most = yield* mostTokens(body, USUAL_TOKENS)
      const events =
        served.writing === null
          ? yield* wholeReply(called.client, served, body, prompts, most)
          : yield* generating.events(called.client, served, prompts, generateOptions(body, most))
      return yield* replyOf({
        form,
        model: served.name,
        events,
        texts: prompts.length,
        stream: body.stream === true,
        withUsage: body.stream_options?.include_usage === true
      })
    })
}
