/**
 * Loads the tokenizer and the weights of a described encoder. The weights stay on the device until the scope ends (`upload.ts`).
 *
 * The tokenizer is `tokenizer.json`, with `tokenizer_config.json` where there is one. Truncation and padding of tokenizer.json
 * (all-MiniLM's own file truncates at 128 and pads to 128) are switched off: `encode` truncates and data pads. A text that is too long
 * loses tokens at its right end, never its special tokens, as `longest_first` does. A pair of texts that is too long loses those of the
 * longer one first (`text-pairs.ts`).
 */

import type { Tokenizer as HuggingFaceTokenizer } from "@huggingface/tokenizers"
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import type * as Scope from "effect/Scope"
import { isRecord } from "../boundary/index.ts"
import type { Sources } from "../hub/hub.ts"
import type { TokenRows, TokenTexts, Weights } from "../tensors/index.ts"
import { BoundedTokenizer } from "./bounded-tokenizer.ts"
import { openCheckpoint, readJson } from "./checkpoint.ts"
import { type Encoder, encode } from "./encoder.ts"
import { families } from "./families.ts"
import { type LoadFolderOptions, loadFolder } from "./folder-model.ts"
import { applyHead } from "./head.ts"
import {
  type Encoding,
  type HeadSpec,
  type Model,
  type ModelDescription,
  ModelError,
  type TokenBatch,
  type Tokenizer
} from "./model.ts"
import { sharedIdentity, sharedPart } from "./shared-parts.ts"
import { joinPair, pairTemplate } from "./text-pairs.ts"
import { buildTokenizer, checkIds, type Fields, shown } from "./tokenizer-json.ts"
import { wordEncoder } from "./words.ts"

/** Options for loading an encoder with a head. */
export interface LoadOptions extends LoadFolderOptions {
  /** tokenizer to use instead of the folder's own, which is then not read */
  readonly tokenizer?: Tokenizer
}

/** Loads tokenizer and weights. Requires an open device. */
export const load = (
  description: ModelDescription,
  { tokenizer: givenTokenizer, ...options }: LoadOptions
): Effect.Effect<Model, ModelError, Sources | Scope.Scope> =>
  Effect.gen(function* () {
    const { folder, head } = description
    const tokenizer = givenTokenizer ?? (yield* sharedTokenizer(description))
    const { encoder, find } = yield* openCheckpoint(folder, families)
    const names = [...description.parameters.map((parameter) => parameter.name), ...head.inCheckpoint]
    const stored = new Map(names.map((name) => [name, find(name)?.name ?? name]))
    const tables = encoder.tables.flatMap(({ cos, sin, make }) => {
      const table = make()
      return [[cos, table.cos] as const, [sin, table.sin] as const]
    })
    const { weights, packed } = yield* loadFolder({ ...description, stored }, options, new Map(tables))
    return {
      ...description,
      tokenizer,
      weights,
      packed,
      toDevice: textToDevice,
      forward: forwardOf(encoder, head, weights)
    }
  })

/** The folder's tokenizer, which other models of the folder may have too. */
const sharedTokenizer = ({ folder, vocabularySize, tokenTypes }: ModelDescription) =>
  Effect.gen(function* () {
    const identity = yield* sharedIdentity(folder)
    const key = identity === undefined ? null : JSON.stringify(["tokenizer", identity, vocabularySize, tokenTypes])
    return yield* sharedPart(key, loadTokenizer(folder, { vocabularySize, tokenTypes }))
  })

/** Returns the forward pass of an encoder with a head. `tables`: looks up the encoder's rotary tables on the device. */
export const forwardOf =
  (encoder: Encoder, head: HeadSpec, tables: Weights): Model["forward"] =>
  (batch, linear, weights, runBlock) =>
    tf.tidy(() => applyHead(encoder, head, encode(encoder, batch, linear, weights, runBlock, tables), batch, weights))

/** Uploads texts as tensors [size, length]: ids and type ids (int32), and the mask (float32). The caller disposes them. */
export const tokenTensors = ({ size, length, inputIds, tokenTypeIds, attentionMask }: TokenTexts): TokenBatch => {
  const shape: [number, number] = [size, length]
  return {
    inputIds: tf.tensor2d(inputIds, shape, "int32"),
    tokenTypeIds: tf.tensor2d(tokenTypeIds, shape, "int32"),
    attentionMask: tf.tensor2d(attentionMask, shape, "float32")
  }
}

/** Uploads labels, int32 [size]. */
export const labelTensor = ({ labels }: Pick<TokenRows, "labels">): tf.Tensor1D => tf.tensor1d(labels, "int32")

/** Uploads a batch of tokenized texts; the caller's tidy owns the tensors. */
export const textToDevice: Model["toDevice"] = (rows) => {
  const input = tokenTensors(rows)
  return { input, target: labelTensor(rows), mask: tf.reshape(input.attentionMask, [rows.size * rows.length]) }
}

const CONFIG = "tokenizer_config.json"

/**
 * Loads a folder's tokenizer. Fails if it has ids of `vocabularySize` or more, the rows of the model's embedding, or types of `tokenTypes` or
 * more, the rows of its type table (0: it has none). `padToken`: padding token if tokenizer_config.json names none.
 */
export const loadTokenizer = (
  folder: string,
  {
    vocabularySize,
    tokenTypes = 0,
    padToken
  }: {
    /** rows of the embedding; default: not checked */
    readonly vocabularySize?: number
    /** rows of the type table; default 0: the model has none */
    readonly tokenTypes?: number
    /** padding token to try if tokenizer_config.json names none, before [PAD] and <pad> */
    readonly padToken?: string
  } = {}
): Effect.Effect<Tokenizer, ModelError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const json = yield* readJson(folder, "tokenizer.json")
    const config = yield* readConfig(folder)
    return yield* buildTokenizer<Tokenizer>(folder, json, vocabularySize, (checked, largestId) => {
      const library = new BoundedTokenizer({ ...checked, truncation: null, padding: null }, config)
      const padId = findPadId(library, config, padToken)
      return padId === undefined
        ? { problem: "has no padding token; expected one named in tokenizer_config.json, [PAD] or <pad>" }
        : withTypesOf(wrap(library, padId, largestId, checked, tokenTypes), tokenTypes)
    })
  })

/** The types come from the post-processor and are the same for every text. */
const withTypesOf = (tokenizer: Tokenizer, tokenTypes: number): Tokenizer | { readonly problem: string } => {
  const { typeIds } = tokenizer.encode("a word", Number.MAX_SAFE_INTEGER)
  const other = typeIds.find((type) => !(Number.isInteger(type) && type >= 0 && type < tokenTypes))
  if (tokenTypes === 0 || other === undefined) return tokenizer
  const supported = tokenTypes === 1 ? "only type 0" : `types 0 to ${tokenTypes - 1}`
  return {
    problem: `post_processor gives tokens the type ${shown(other)}, the model has ${supported} (type_vocab_size in config.json); it belongs to another model`
  }
}

const readConfig = (folder: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const there = yield* fs.exists(path.join(folder, CONFIG)).pipe(Effect.orElseSucceed(() => false))
    const config = there ? yield* readJson(folder, CONFIG) : {}
    if (isRecord(config)) return config
    return yield* new ModelError({ folder, problems: [`${CONFIG}: is not a JSON object`] })
  })

const findPadId = (library: HuggingFaceTokenizer, config: object, usual?: string): number | undefined => {
  const named = (config as { readonly pad_token?: string | { readonly content?: string } | null }).pad_token
  const token = typeof named === "string" ? named : named?.content
  const candidates = [token, usual, "[PAD]", "<pad>"].filter((name) => name !== undefined)
  return candidates.map((name) => library.token_to_id(name)).find((id) => id !== undefined)
}

/** Throws where the library does. */
const wrap = (
  library: HuggingFaceTokenizer,
  padId: number,
  largestId: number,
  json: Fields,
  tokenTypes: number
): Tokenizer => {
  const after = trailingSpecialTokens(library)
  const template = once(() => pairTemplate(library, json["post_processor"], tokenTypes))
  const bareIds = (text: string): ReadonlyArray<number> => {
    const { ids } = library.encode(text, { add_special_tokens: false })
    checkIds(ids, largestId)
    return ids
  }
  const encodePair = (text: string, pair: string, maxLength: number): Encoding =>
    joinPair(template(), bareIds(text), bareIds(pair), maxLength)
  const encode = (text: string, maxLength: number, pair?: string): Encoding => {
    if (pair !== undefined) return encodePair(text, pair, maxLength)
    const { ids, token_type_ids: typeIds } = library.encode(text, { return_token_type_ids: true })
    checkIds(ids, largestId)
    // a tokenizer without post-processor has no types: all of one kind
    const types: ReadonlyArray<number> = typeIds ?? ids.map(() => 0)
    return { ids: cut(ids, maxLength, after), typeIds: cut(types, maxLength, after) }
  }
  for (const probe of probes) encode(probe, 16)
  return {
    padId,
    vocabularySize: largestId + 1,
    encode,
    encodeWords: wordEncoder(library, bareIds),
    unknownId: findUnknownId(library, json["model"])
  }
}

/** Of a Unigram model its index, of the others their token's. */
const findUnknownId = (library: HuggingFaceTokenizer, model: unknown): number | undefined => {
  if (!isRecord(model)) return undefined
  const { unk_id: id, unk_token: token } = model
  return typeof id === "number" ? id : typeof token === "string" ? library.token_to_id(token) : undefined
}

const once = <A>(make: () => A): (() => A) => {
  let made: A | undefined
  return () => {
    made ??= make()
    return made
  }
}

/** Nothing, a word, and characters that no vocabulary has: an unassigned one, and a word longer than a word may be. */
const probes = ["", "a word", "\u2FE0", "\u2FE0".repeat(300)]

/** How many special tokens the template puts after a text, found with a probe text, since templates differ. */
const trailingSpecialTokens = (library: HuggingFaceTokenizer): number => {
  const bare = library.encode("a", { add_special_tokens: false }).ids
  const full = library.encode("a").ids
  const at = full.findIndex((_, i) => bare.every((id, j) => full[i + j] === id))
  return at < 0 ? 0 : full.length - at - bare.length
}

const cut = (ids: ReadonlyArray<number>, maxLength: number, after: number): ReadonlyArray<number> => {
  if (ids.length <= maxLength) return ids
  const length = Math.min(after, maxLength)
  return [...ids.slice(0, maxLength - length), ...ids.slice(ids.length - length)]
}
