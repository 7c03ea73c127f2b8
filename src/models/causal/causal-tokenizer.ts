/**
 * The tokenizer of a causal model, from a source's `tokenizer.json` and `tokenizer_config.json`.
 *
 * Truncation and padding of tokenizer.json are switched off: data does both. Added tokens beyond the model's embedding are left out, so
 * that their text is ordinary text (Gemma 3's text models name an image token that they have no row for); any other token beyond it means
 * that the tokenizer belongs to another model.
 */

import * as Effect from "effect/Effect"
import { isRecord } from "../../boundary/index.ts"
import type { CausalTokenizer } from "../../tensors/index.ts"
import { BoundedTokenizer } from "../bounded-tokenizer.ts"
import { ModelError } from "../model.ts"
import { buildTokenizer, charactersProblem, checkIds, type Fields } from "../tokenizer-json.ts"
import type { CheckpointSource } from "./causal-model.ts"
import { tokenBytes } from "./token-bytes.ts"

type Source = Pick<CheckpointSource, "where" | "tokenizer" | "tokenizerConfig">

interface AddedToken {
  readonly id: number
  readonly content: string
  readonly special?: boolean
}

/** Creates a tokenizer. Fails if it has ids of `vocabularySize` or more, the rows of the model's embedding. */
export const causalTokenizer = (
  { where, tokenizer, tokenizerConfig }: Source,
  {
    vocabularySize
  }: {
    /** rows of the embedding; default: not checked */
    readonly vocabularySize?: number
  } = {}
): Effect.Effect<CausalTokenizer, ModelError> =>
  Effect.suspend(() => {
    if (tokenizer === null) {
      const problem = "tokenizer.json: no such file; a model needs its tokenizer to read text"
      return Effect.fail(new ModelError({ folder: where, problems: [problem] }))
    }
    const config = isRecord(tokenizerConfig) ? tokenizerConfig : {}
    const within = withoutTokensBeyond(tokenizer, vocabularySize ?? Number.POSITIVE_INFINITY)
    return buildTokenizer(where, within, vocabularySize, (json, largestId) => wrapped(json, config, largestId))
  })

/** Entries that are not tokens are left to `checkTokenizerJson`. */
const withoutTokensBeyond = (json: unknown, rows: number): unknown => {
  if (!isRecord(json) || !Array.isArray(json["added_tokens"])) return json
  const within = (token: unknown) => !isRecord(token) || !(typeof token["id"] === "number" && token["id"] >= rows)
  return { ...json, added_tokens: json["added_tokens"].filter(within) }
}

const libraryOf = (json: Fields, config: Fields): BoundedTokenizer =>
  new BoundedTokenizer(
    { ...json, truncation: null, padding: null },
    // by default the library tidies spaces before punctuation; transformers does so only where a file says it
    { ...config, clean_up_tokenization_spaces: config["clean_up_tokenization_spaces"] === true }
  )

/** Throws where the library does. */
const wrapped = (json: Fields, config: Fields, largestId: number): CausalTokenizer => {
  const library = libraryOf(json, config)
  const encode: CausalTokenizer["encode"] = (text, { special = false } = {}) => {
    const { ids } = library.encode(text, { add_special_tokens: special })
    checkIds(ids, largestId)
    return ids
  }
  const decode: CausalTokenizer["decode"] = (ids, { special = false } = {}) => {
    // an embedding may have rows without a token; a model that chooses one writes nothing
    const known = ids.filter((id) => library.id_to_token(id) !== undefined)
    // the library throws on an empty list
    return known.length === 0 ? "" : library.decode(known, { skip_special_tokens: !special })
  }
  for (const probe of probes) decode(encode(probe, { special: true }))
  const specialTokens = specialTokensOf(config)
  const tooMany = charactersProblem(Object.values(specialTokens))
  if (tooMany !== undefined) throw new Error(`tokenizer_config.json names ${tooMany}`)
  const idOf = (name: string) => {
    const token = specialTokens[name]
    return token === undefined ? null : (library.token_to_id(token) ?? null)
  }
  const eosId = idOf("eos_token")
  const added = json["added_tokens"] as ReadonlyArray<AddedToken>
  const specialIds = new Set(added.filter(({ special }) => special === true).map(({ id }) => id))
  return {
    encode,
    decode,
    bosId: idOf("bos_token"),
    eosId,
    // padding comes after a text and is masked, so any id will do where a checkpoint names none
    padId: idOf("pad_token") ?? eosId ?? 0,
    vocabularySize: largestId + 1,
    specialIds,
    bytesOf: tokenBytes(json, library, new Map(added.map(({ id, content }) => [id, content])), specialIds),
    chatTemplate: chatTemplateOf(config["chat_template"]),
    specialTokens
  }
}

/** Nothing, a word, and characters that no vocabulary has as a token. */
const probes = ["", "a word", "\u2FE0", "\u{1F9D1}\u200D\u{1F680}"]

/** `bos_token`, `eos_token`, …: text, or an object with it. */
const specialTokensOf = (config: Fields): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(config).flatMap(([name, value]) => {
      if (!name.endsWith("_token")) return []
      const content = isRecord(value) ? value["content"] : value
      return typeof content === "string" ? [[name, content] as const] : []
    })
  )

/** Returns the chat template from the checkpoint's files, or null if they have no template. */
export const storedChatTemplate = ({ tokenizerConfig }: Pick<Source, "tokenizerConfig">): string | null =>
  isRecord(tokenizerConfig) ? chatTemplateOf(tokenizerConfig["chat_template"]) : null

/** A template, or the one called "default" of several. */
const chatTemplateOf = (template: unknown): string | null => {
  if (typeof template === "string") return template
  if (!Array.isArray(template)) return null
  const named = template.filter(isRecord).find(({ name }) => name === "default")?.["template"]
  return typeof named === "string" ? named : null
}
