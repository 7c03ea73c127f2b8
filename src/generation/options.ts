/** What may be asked of a generation, and what is wrong with it. */
import type * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { listedLines } from "../boundary/index.ts"
import type { Constraint } from "../constraint/index.ts"
import { tokenized } from "../data/causal/index.ts"
import type { CausalModel } from "../models/causal/index.ts"
import type { PromptCache } from "./prompt-cache.ts"
import { greedy, type LikelyToken, type Sampling } from "./sampling.ts"

/** How texts are written: how long, how tokens are chosen, where they stop. */
export interface GenerateOptions extends Partial<Sampling> {
  /** tokens that a text has at most, 1 at least; default 128 */
  readonly maxNewTokens?: number
  /** of the choice at a temperature above 0; each prompt has a random stream of its own; default 0 */
  readonly seed?: number
  /** strings before which a text ends, none of them empty; default: none */
  readonly stop?: ReadonlyArray<string>
  /** the frozen weights alone, without what was trained; default false */
  readonly base?: boolean
  /** tokens that end a text; default: the model's */
  readonly eosIds?: ReadonlyArray<number>
  /** the place of the first prompt among all that share the seed; default 0 */
  readonly first?: number
  /** of one prompt: what it begins with is taken from here where it was read before, and what it becomes is left here */
  readonly promptCache?: PromptCache
  /** how each forward pass is run, so that several texts may take turns on a device; default: as it comes */
  readonly turn?: Turn
  /** is called with every token; the logits of each place are then read whole; default: no one is */
  readonly observer?: TokenObserver
  /** what texts may be, by the model's own tokenizer (`constraintOf`): other tokens are not chosen; default: anything */
  readonly constraint?: Constraint
  /** special tokens are written out in the text, all but the one that ends it; default false */
  readonly special?: boolean
}

/** A token of a text, and its place. */
export interface ShownToken extends LikelyToken {
  /** what it adds to the text; of one that writes nothing, its name */
  readonly text: string
}

/** A token that was chosen, among those that were as likely. */
export interface ObservedToken extends LikelyToken {
  /** place of the prompt */
  readonly prompt: number
  /** text that is certain with it: "" while a character is open, and of a token that ends the text */
  readonly text: string
  /** it ends the text */
  readonly ends: boolean
  /** the likeliest at its place by the model's own distribution, the likeliest first */
  readonly likeliest: ReadonlyArray<ShownToken>
}

/** Called with every token, as it is chosen. */
export interface TokenObserver {
  /** how many of the likeliest tokens at each place are shown, 1 at least */
  readonly likeliest: number
  /** Called before the next token is chosen, which waits for it. */
  readonly tell: (token: ObservedToken) => Effect.Effect<void>
}

/** Runs a pass, when its turn has come. */
export type Turn = <A, E, R>(pass: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/** Nothing can be generated: all reasons at once. */
export class GenerationError extends Schema.TaggedError<GenerationError>()("GenerationError", {
  /** a sentence each; at least one */
  problems: Schema.Array(Schema.String)
}) {
  override get message() {
    return listedLines(this.problems, String)
  }
}

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

/** A text, or tokens, which are taken as they are. */
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
    ...(stop.includes("") ? ["a stop string is empty; every text would end before it begins"] : [])
  ]
}

/** Options with their defaults, or all that is wrong with them. */
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
  const named = ofModel.length > 0 || tokenizer.eosId === null ? ofModel : [tokenizer.eosId]
  const settings: Settings = {
    sampling: { ...greedy, ...sampling },
    maxNewTokens,
    seed,
    stop,
    base,
    eosIds: new Set(eosIds ?? named),
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

/** Ids of the prompts, or all that is wrong with them. */
export const promptIds = (
  { tokenizer, maxLength, vocabularySize, source }: CausalModel,
  prompts: ReadonlyArray<Prompt>
): Result.Result<ReadonlyArray<ReadonlyArray<number>>, ReadonlyArray<string>> => {
  const problems: Array<string> = []
  const ids = prompts.map((prompt, i) => {
    const wrong = (problem: string) =>
      problems.push(`${prompts.length === 1 ? "the prompt" : `prompt ${i + 1}`} ${problem}`)
    const own = typeof prompt === "string" ? tokenized(tokenizer, prompt, { special: true }) : prompt
    if ("broken" in own) {
      wrong(own.broken)
      return []
    }
    const unknown = own.find((id) => !Number.isInteger(id) || id < 0 || id >= vocabularySize)
    if (own.length === 0) wrong("has no token, and a model continues one at least; write something")
    if (own.length >= maxLength) {
      wrong(`has ${own.length} tokens, and ${source} was made for ${maxLength} with what it writes; shorten it`)
    }
    if (unknown !== undefined) wrong(`has the token ${unknown}; the model's are 0 to ${vocabularySize - 1}`)
    return own
  })
  return problems.length > 0 ? Result.fail(problems) : Result.succeed(ids)
}
