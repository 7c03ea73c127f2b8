/**
 * OpenAI's completions: request fields, and responses from the events of a generation, as one object or a stream of chunks.
 *
 * Fields that clients always send are accepted; a field that would change the answer and is not supported is rejected by name, unless it has the
 * value that changes nothing.
 */
import { randomInt, randomUUID } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { Adapted } from "../../adapters/index.ts"
import { limit, overLimit } from "../boundary/index.ts"
import { type CallEvent, type CallReader, readWhole } from "../calls/index.ts"
import type { ToolCall } from "../data/causal/index.ts"
import type { Finish, GenerateOptions, GenerationEnd, GenerationEvent } from "../generation/index.ts"
import type { Network, Tokenizer } from "../models/index.ts"
import type { CausalTokenizer } from "../tensors/index.ts"
import { type Refusal, refusal } from "./refusal.ts"
import type { Reply } from "./route.ts"

/** Schema of a field that is rejected unless its value changes nothing. */
const only = <const L extends string | number | boolean>(value: L) =>
  Schema.optionalKey(Schema.Literal(value).annotate({ message: `must be ${JSON.stringify(value)}` }))

const empty = Schema.optionalKey(
  Schema.Record(Schema.String, Schema.Unknown).check(
    Schema.makeFilter((value) => (Object.keys(value).length === 0 ? undefined : "is not supported"))
  )
)

const count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(1))

const Stop = Schema.Union([Schema.NonEmptyString, Schema.Array(Schema.NonEmptyString).check(Schema.isMaxLength(16))])

/** Fields of chats and completions. `top_k` and `repetition_penalty` extend OpenAI's API, as in other servers of open models. */
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

/** Returns the maximum number of tokens to generate. `usual`: the default. */
export const mostTokens = (body: WritingBody, usual: number): Effect.Effect<number, Refusal> => {
  const [param, requested] = [
    ["max_completion_tokens", body.max_completion_tokens] as const,
    ["max_tokens", body.max_tokens] as const
  ].find(([, value]) => value !== undefined) ?? ["max_tokens", usual]
  const most = limit("serve-new-tokens")
  return requested! > most && requested !== usual
    ? Effect.fail(refusal(400, `${param}: is ${requested}, more than ${overLimit("serve-new-tokens")}`, { param }))
    : Effect.succeed(Math.min(requested!, most))
}

const SEEDS = 2 ** 31

/** Converts OpenAI's fields to options of `generate`. OpenAI's defaults apply: temperature 1 and a random seed. */
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
const finishReason = (finish: Finish, called = false): "stop" | "length" | "tool_calls" =>
  finish === "length" ? "length" : called ? "tool_calls" : "stop"

/** Counts the tokens of all texts of a request. */
const usageOf = (ends: ReadonlyArray<Pick<GenerationEnd, "promptTokens" | "cachedTokens" | "ids">>) => {
  const sum = (of: (end: (typeof ends)[number]) => number) => ends.reduce((total, end) => total + of(end), 0)
  const [prompt, completion] = [sum(({ promptTokens }) => promptTokens), sum(({ ids }) => ids.length)]
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: sum(({ cachedTokens }) => cachedTokens) }
  }
}

const newId = (prefix: string): string => `${prefix}-${randomUUID().replaceAll("-", "")}`

const nowSeconds = (): number => Math.floor(Date.now() / 1000)

/** Returns the tokenizer of an encoder or of a generative model. */
const tokenizerOf = ({ model }: Adapted<Network>): Tokenizer | CausalTokenizer | undefined =>
  "tokenizer" in model && typeof model.tokenizer === "object"
    ? (model.tokenizer as Tokenizer | CausalTokenizer)
    : undefined

/** Counts the tokens of texts as a model reads them, each up to `longest`; 0 for a model that reads no texts. */
export const tokensOf = (adapted: Adapted<Network>, texts: ReadonlyArray<string>, longest: number): number => {
  const tokenizer = tokenizerOf(adapted)
  if (tokenizer === undefined) return 0
  const count = (text: string): number =>
    "decode" in tokenizer
      ? Math.min(longest, tokenizer.encode(text, { special: true }).length)
      : tokenizer.encode(text, longest).ids.length
  return texts.reduce((sum, text) => sum + count(text), 0)
}

/** Differences between the formats of chats and completions. */
export interface Form {
  /** prefix of the answer's id */
  readonly prefix: string
  /** value of `object` in an answer, and in a chunk */
  readonly object: string
  readonly chunk: string
  /** returns the part of a choice that contains a whole text and its tool calls */
  readonly whole: (text: string, calls: ReadonlyArray<ToolCall>) => object
  /** returns the part of a chunk that contains a piece of text; `begin` and `end`: the parts before the first piece and after the last */
  readonly piece: (text: string) => object
  /** returns the parts that announce a call, the `index`th of its text */
  readonly call: (call: ToolCall, index: number) => ReadonlyArray<object>
  /** creates the reader that finds calls in a text; null: all of it is text */
  readonly reader: (() => CallReader) | null
  readonly begin: object | null
  readonly end: object
}

interface Replied {
  readonly form: Form
  readonly model: string
  readonly events: Stream.Stream<GenerationEvent, Refusal>
  /** number of texts to generate */
  readonly texts: number
  readonly stream: boolean
  /** whether a last chunk contains the token counts */
  readonly withUsage: boolean
}

/** A reader that treats everything as text. */
const textReader: CallReader = { push: (text) => (text === "" ? [] : [{ kind: "text", text }]), end: () => [] }

const isEnd = (event: GenerationEvent): event is GenerationEnd => event.kind === "end"

/** Creates the reply to a request, whole or as a stream of chunks. */
export const replyOf = ({ form, model, events, texts, stream, withUsage }: Replied): Effect.Effect<Reply, Refusal> => {
  const head = { id: newId(form.prefix), created: nowSeconds(), model }
  if (!stream) {
    return Effect.map(Stream.runCollect(events), (all) => {
      const ends = all.filter(isEnd).sort((a, b) => a.prompt - b.prompt)
      const choices = ends.map(({ prompt, text: generated, finish }) => {
        const { content, calls } = readWhole(form.reader?.() ?? textReader, generated)
        return {
          index: prompt,
          ...form.whole(content, calls),
          logprobs: null,
          finish_reason: finishReason(finish, calls.length > 0)
        }
      })
      return { json: { ...head, object: form.object, choices, usage: usageOf(ends) } }
    })
  }
  const ends: Array<GenerationEnd> = []
  // every chunk has the field where the last one has numbers
  const chunkHead = { ...head, object: form.chunk, ...(withUsage ? { usage: null } : {}) }
  const chunk = (index: number, part: object, finish: ReturnType<typeof finishReason> | null) =>
    JSON.stringify({ ...chunkHead, choices: [{ index, ...part, logprobs: null, finish_reason: finish }] })
  const { begin } = form
  const first = begin === null ? [] : Array.from({ length: texts }, (_, i) => chunk(i, begin, null))
  const readers = Array.from({ length: texts }, () => ({ reader: form.reader?.() ?? textReader, calls: 0 }))
  const chunksOf = (prompt: number, read: ReadonlyArray<CallEvent>): ReadonlyArray<string> =>
    read.flatMap((event) => {
      const parts = event.kind === "text" ? [form.piece(event.text)] : form.call(event.call, readers[prompt]!.calls++)
      return parts.map((part) => chunk(prompt, part, null))
    })
  const pieces = events.pipe(
    Stream.map((event): ReadonlyArray<string> => {
      const { reader } = readers[event.prompt]!
      if (event.kind === "text") return chunksOf(event.prompt, reader.push(event.text))
      ends.push(event)
      const rest = chunksOf(event.prompt, reader.end())
      return [...rest, chunk(event.prompt, form.end, finishReason(event.finish, readers[event.prompt]!.calls > 0))]
    }),
    Stream.flattenIterable
  )
  const last = Stream.suspend(() =>
    Stream.fromIterable([
      ...(withUsage ? [JSON.stringify({ ...chunkHead, choices: [], usage: usageOf(ends) })] : []),
      "[DONE]"
    ])
  )
  return Effect.succeed({ events: Stream.concat(Stream.concat(Stream.fromIterable(first), pieces), last) })
}
