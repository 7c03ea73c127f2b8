/**
 * Loads the tokenizer of a Hugging Face folder: `tokenizer.json`, and `tokenizer_config.json` where there is one.
 *
 * Truncation and padding are ours: what tokenizer.json says of them (all-MiniLM's own file cuts at 128 and pads to 128) is
 * switched off. A text too long loses tokens at its right end, never its special tokens, as `longest_first` does to single texts.
 */
import { Tokenizer as HuggingFaceTokenizer } from "@huggingface/tokenizers"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import { readJson } from "./checkpoint.ts"
import { ModelError } from "./model-error.ts"
import type { Encoding, Tokenizer } from "./tokenizer.ts"

const CONFIG = "tokenizer_config.json"

/** Loads a folder's tokenizer; fails where it has ids beyond `vocabularySize`, the rows of the model's embedding. */
export const loadTokenizer = (
  folder: string,
  { vocabularySize }: { readonly vocabularySize?: number } = {}
): Effect.Effect<Tokenizer, ModelError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const json = (yield* readJson(folder, "tokenizer.json")) as Record<string, unknown>
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const hasConfig = yield* fs.exists(path.join(folder, CONFIG)).pipe(Effect.orElseSucceed(() => false))
    const config = hasConfig ? yield* readJson(folder, CONFIG) : {}
    const fail = (problem: string) => new ModelError({ folder, problems: [`tokenizer.json: ${problem}`] })
    const library = yield* Effect.try({
      try: () => new HuggingFaceTokenizer({ ...json, truncation: null, padding: null }, config as object),
      catch: (cause) => fail(`cannot be used: ${cause instanceof Error ? cause.message : String(cause)}`)
    })
    const padId = findPadId(library, config)
    if (padId === undefined) {
      return yield* fail(`has no padding token; expected one named in tokenizer_config.json, [PAD] or <pad>`)
    }
    const tokenizer = wrap(library, padId, lowercases(json["normalizer"]))
    if (vocabularySize !== undefined && tokenizer.vocabularySize > vocabularySize) {
      return yield* fail(
        `has ids up to ${tokenizer.vocabularySize - 1}, the model's embedding only ${vocabularySize} rows; it belongs to another model`
      )
    }
    return tokenizer
  })

const findPadId = (library: HuggingFaceTokenizer, config: unknown): number | undefined => {
  const named = (config as { readonly pad_token?: string | { readonly content?: string } | null } | null)?.pad_token
  const token = typeof named === "string" ? named : named?.content
  const candidates = [...(token === undefined ? [] : [token]), "[PAD]", "<pad>"]
  return candidates.map((name) => library.token_to_id(name)).find((id) => id !== undefined)
}

interface Normalizer {
  readonly type?: string
  readonly lowercase?: boolean
  readonly normalizers?: ReadonlyArray<Normalizer>
}

const lowercases = (normalizer: unknown): boolean => {
  const { type, lowercase, normalizers = [] } = (normalizer ?? {}) as Normalizer
  return type === "Lowercase" || lowercase === true || normalizers.some(lowercases)
}

const wrap = (library: HuggingFaceTokenizer, padId: number, lowercase: boolean): Tokenizer => {
  const after = trailingSpecialTokens(library)
  let largest = 0
  for (const id of library.get_vocab(true).values()) largest = Math.max(largest, id)
  return {
    padId,
    vocabularySize: largest + 1,
    encode: (text, maxLength): Encoding => {
      const { ids, token_type_ids: typeIds } = library.encode(lowercase ? plainSigma(text) : text, {
        return_token_type_ids: true
      })
      return { ids: cut(ids, maxLength, after), typeIds: cut(typeIds, maxLength, after) }
    }
  }
}

/**
 * JavaScript lowercases a word-final Σ to ς; the Rust tokenizers, with which models are trained, lowercase character by character
 * to σ. It is the only letter whose lower case depends on its neighbours.
 */
const plainSigma = (text: string): string => text.replaceAll("Σ", "σ")

/** How many special tokens the template puts behind a text: seen on a probe, since templates differ. */
const trailingSpecialTokens = (library: HuggingFaceTokenizer): number => {
  const bare = library.encode("a", { add_special_tokens: false }).ids
  const full = library.encode("a").ids
  const at = full.findIndex((_, i) => bare.every((id, j) => full[i + j] === id))
  return full.length - at - bare.length
}

const cut = (ids: ReadonlyArray<number>, maxLength: number, after: number): ReadonlyArray<number> =>
  ids.length <= maxLength ? ids : [...ids.slice(0, maxLength - after), ...ids.slice(ids.length - after)]
