/**
 * Fields of OpenAI's requests to write texts. What a client sends because it always does is taken; what would change the answer and is not
 * done here is refused by its name, unless it has the value that changes nothing.
 */
import { randomInt, randomUUID } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { limit, overLimit } from "../boundary/index.ts"
import type { Finish, GenerateOptions, GenerationEnd } from "../generation/index.ts"
import { type Refusal, refusal } from "./refusal.ts"

/** What is refused unless it has a value that changes nothing. */
const only = <const L extends string | number | boolean>(value: L) =>
  Schema.optionalKey(Schema.Literal(value).annotate({ message: `only ${JSON.stringify(value)} is done here` }))

const empty = Schema.optionalKey(
  Schema.Record(Schema.String, Schema.Unknown).check(
    Schema.makeFilter((value) => (Object.keys(value).length === 0 ? undefined : "is not done here"))
  )
)

const count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(1))

const Stop = Schema.Union([Schema.NonEmptyString, Schema.Array(Schema.NonEmptyString).check(Schema.isMaxLength(16))])

/** What both kinds of completions have. `top_k` and `repetition_penalty` are not OpenAI's; other servers of open models have them too. */
export const writingFields = {
  model: Schema.optionalKey(Schema.String),
  max_tokens: Schema.optionalKey(count),
  temperature: Schema.optionalKey(Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 2 }))),
  top_p: Schema.optionalKey(Schema.Finite.check(Schema.isGreaterThan(0), Schema.isLessThanOrEqualTo(1))),
  top_k: Schema.optionalKey(count),
  repetition_penalty: Schema.optionalKey(Schema.Finite.check(Schema.isGreaterThan(0))),
  seed: Schema.optionalKey(Schema.Int),
  stop: Schema.optionalKey(Stop.annotate({ message: "expected a string, or at most 16 strings, none of them empty" })),
  stream: Schema.optionalKey(Schema.Boolean),
  stream_options: Schema.optionalKey(
    Schema.Struct({
      include_usage: Schema.optionalKey(Schema.Boolean),
      include_obfuscation: Schema.optionalKey(Schema.Boolean)
    })
  ),
  n: only(1),
  frequency_penalty: only(0),
  presence_penalty: only(0),
  logit_bias: empty,
  user: Schema.optionalKey(Schema.String)
}

interface WritingBody {
  readonly max_tokens?: number | undefined
  readonly max_completion_tokens?: number | undefined
  readonly temperature?: number | undefined
  readonly top_p?: number | undefined
  readonly top_k?: number | undefined
  readonly repetition_penalty?: number | undefined
  readonly seed?: number | undefined
  readonly stop?: string | ReadonlyArray<string> | undefined
}

/** How many tokens may be written; `usual`: where the request says nothing. */
export const mostTokens = (body: WritingBody, usual: number): Effect.Effect<number, Refusal> => {
  const [param, given] = [
    ["max_completion_tokens", body.max_completion_tokens] as const,
    ["max_tokens", body.max_tokens] as const
  ].find(([, value]) => value !== undefined) ?? ["max_tokens", usual]
  const most = limit("serve-new-tokens")
  return given! > most && given !== usual
    ? Effect.fail(refusal(400, `${param}: is ${given}, more than ${overLimit("serve-new-tokens")}`, { param }))
    : Effect.succeed(Math.min(given!, most))
}

const SEEDS = 2 ** 31

/** What OpenAI's fields mean to `generate`; its defaults are OpenAI's: a temperature of 1, and another text each time. */
export const generateOptions = (body: WritingBody, maxNewTokens: number): GenerateOptions => ({
  maxNewTokens,
  temperature: body.temperature ?? 1,
  topP: body.top_p ?? 1,
  topK: body.top_k ?? null,
  repetitionPenalty: body.repetition_penalty ?? 1,
  seed: body.seed ?? randomInt(SEEDS),
  stop: typeof body.stop === "string" ? [body.stop] : (body.stop ?? [])
})

/** `finish_reason`; `called`: the answer calls tools. */
export const finishReason = (finish: Finish, called = false): "stop" | "length" | "tool_calls" =>
  finish === "length" ? "length" : called ? "tool_calls" : "stop"

/** Tokens of all texts of a request. */
export const usageOf = (ends: ReadonlyArray<Pick<GenerationEnd, "promptTokens" | "cachedTokens" | "ids">>) => {
  const sum = (of: (end: (typeof ends)[number]) => number) => ends.reduce((total, end) => total + of(end), 0)
  const [prompt, completion] = [sum(({ promptTokens }) => promptTokens), sum(({ ids }) => ids.length)]
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: sum(({ cachedTokens }) => cachedTokens) }
  }
}

export const newId = (prefix: string): string => `${prefix}-${randomUUID().replaceAll("-", "")}`

export const nowSeconds = (): number => Math.floor(Date.now() / 1000)
