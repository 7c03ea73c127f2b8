/** Options of text generation, and their validation. */
import type * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { listedLines } from "../boundary/index.ts"
import type { Constraint } from "../constraint/index.ts"
import { tokenized } from "../data/causal/index.ts"
import type { CausalModel } from "../models/causal/index.ts"
import type { PromptCache } from "./prompt-cache.ts"
import { greedy, isGreedy, type LikelyToken, type Sampling } from "./sampling.ts"

/** Options for `generate`: length, sampling and stopping. */
export interface GenerateOptions extends Partial<Sampling> {
  /** most tokens to generate per text, at least 1; default 128 */
  readonly maxNewTokens?: number
  /** seed for sampling at a temperature above 0; each prompt has its own random stream; default 0 */
  readonly seed?: number
  /** non-empty strings before which a text ends; default: none */
  readonly stop?: ReadonlyArray<string>
  /** whether to use the base model without the adapter; default false */
  readonly base?: boolean
  /** tokens that end a text; default: the model's */
  readonly eosIds?: ReadonlyArray<number>
  /** index of the first prompt among all that share the seed; default 0 */
  readonly first?: number
  /** cache for a single prompt: reuses the part of the prompt read before, and stores the new keys and values */
  readonly promptCache?: PromptCache
  /** schedules each forward pass, so that several generations can interleave on one device; default: passes run immediately */
  readonly turn?: Turn
  /** called with every token, for which the logits of each position are read back whole; default: none */
  readonly observer?: TokenObserver
  /** restricts texts to those of a grammar over the model's own tokenizer (`constraintOf`); default: no restriction */
  readonly constraint?: Constraint
  /** whether special tokens appear in the text, except the one that ends it; default false */
  readonly special?: boolean
}

/** A candidate token, with its text. */
export interface ShownToken extends LikelyToken {
  /** text that the token adds; for a token without text, its name */
  readonly text: string
}

/** A generated token, with the likeliest alternatives. */
export interface ObservedToken extends LikelyToken {
  /** index of the prompt */
  readonly prompt: number
  /** text that became certain with this token: "" inside an unfinished character, and for the token that ends the text */
  readonly text: string
  /** whether the token ends the text */
  readonly ends: boolean
  /** likeliest tokens at this position by the model's own distribution, in descending order */
  readonly likeliest: ReadonlyArray<ShownToken>
}

/** Observer of every generated token. */
export interface TokenObserver {
  /** number of likeliest tokens to report per position, at least 1 */
  readonly likeliest: number
  /** Called with a token before the next one is chosen; generation waits for it. */
  readonly tell: (token: ObservedToken) => Effect.Effect<void>
}

/** Runs a forward pass when it is scheduled. */
export type Turn = <A, E, R>(pass: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/** Error of options or prompts that cannot be used. Lists all problems at once. */
export class GenerationError extends Schema.TaggedError<GenerationError>()("GenerationError", {
  /** problems, a sentence each; at least one */
  problems: Schema.Array(Schema.String)
}) {
  override get message() {
    return listedLines(this.problems, String)
  }
}

/** Options of `generate` with defaults filled in. */
export interface Settings {
  readonly sampling: Sampling
  readonly maxNewTokens: number
  readonly seed: number
  readonly stop: ReadonlyArray<string>
  readonly base: boolean
  readonly eosIds: ReadonlySet<number>
  readonly first: number
  readonly promptCache: PromptCache | null
  readonly turn: Turn
  readonly observer: TokenObserver | null
  readonly constraint: Constraint | null
  readonly special: boolean
}

/** Returns whether the most probable token is all that a text needs of its logits. */
export const needsNoLogits = ({ sampling, observer, constraint }: Settings): boolean =>
  observer === null && constraint === null && isGreedy(sampling)

/** A prompt: a text, or token ids, which are used unchanged. */
export type Prompt = string | ReadonlyArray<number>

const isCount = (n: number) => Number.isSafeInteger(n) && n >= 1

const problemsOf = ({ sampling, maxNewTokens, stop }: Settings): ReadonlyArray<string> => {
  const { temperature, topK, topP, repetitionPenalty } = sampling
  return [
    ...(Number.isFinite(temperature) && temperature >= 0
      ? []
      : [`temperature is ${temperature}; expected a number of at least 0 (0: the most probable token)`]),
    ...(topK === null || isCount(topK) ? [] : [`topK is ${topK}; expected an integer of at least 1`]),
    ...(topP > 0 && topP <= 1 ? [] : [`topP is ${topP}; expected a number above 0 and at most 1`]),
    ...(Number.isFinite(repetitionPenalty) && repetitionPenalty > 0
      ? []
      : [`repetitionPenalty is ${repetitionPenalty}; expected a number above 0 (1: none)`]),
    ...(isCount(maxNewTokens) ? [] : [`maxNewTokens is ${maxNewTokens}; expected an integer of at least 1`]),
    ...(stop.includes("") ? ["a stop string is empty, so every text would end before it starts"] : [])
  ]
}

/** Returns the options with defaults filled in; fails with all problems at once. */
export const settingsOf = (
  { eosIds: ofModel, tokenizer }: Pick<CausalModel, "eosIds" | "tokenizer">,
  {
    maxNewTokens = 128,
    seed = 0,
    stop = [],
    base = false,
    eosIds,
    first = 0,
    promptCache,
    turn = (pass) => pass,
    observer,
    constraint,
    special = false,
    ...sampling
  }: GenerateOptions
): Result.Result<Settings, ReadonlyArray<string>> => {
  const defaultEosIds = ofModel.length > 0 || tokenizer.eosId === null ? ofModel : [tokenizer.eosId]
  const settings: Settings = {
    sampling: { ...greedy, ...sampling },
    maxNewTokens,
    seed,
    stop,
    base,
    eosIds: new Set(eosIds ?? defaultEosIds),
    first,
    promptCache: promptCache ?? null,
    turn,
    observer: observer ?? null,
    constraint: constraint ?? null,
    special
  }
  const problems = problemsOf(settings)
  return problems.length > 0 ? Result.fail(problems) : Result.succeed(settings)
}

/** Returns the token ids of the prompts; fails with all problems at once. `room`: positions that a model needs after a prompt. */
export const promptIds = (
  { tokenizer, maxLength, vocabularySize, source }: CausalModel,
  prompts: ReadonlyArray<Prompt>,
  room = 1
): Result.Result<ReadonlyArray<ReadonlyArray<number>>, ReadonlyArray<string>> => {
  const problems: Array<string> = []
  const ids = prompts.map((prompt, i) => {
    const wrong = (problem: string) =>
      problems.push(`${prompts.length === 1 ? "the prompt" : `prompt ${i + 1}`} ${problem}`)
    const ids = typeof prompt === "string" ? tokenized(tokenizer, prompt, { special: true }) : prompt
    if ("broken" in ids) {
      wrong(ids.broken)
      return []
    }
    const unknownId = ids.find((id) => !Number.isInteger(id) || id < 0 || id >= vocabularySize)
    if (ids.length === 0)
      wrong("has no tokens, but a model needs at least one to continue; expected a non-empty prompt")
    if (ids.length + room > maxLength) {
      wrong(`has ${ids.length} tokens, but ${source} was made for ${maxLength} including its output; shorten it`)
    }
    if (unknownId !== undefined) wrong(`has the token ${unknownId}; the model's are 0 to ${vocabularySize - 1}`)
    return ids
  })
  return problems.length > 0 ? Result.fail(problems) : Result.succeed(ids)
}
