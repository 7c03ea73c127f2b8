/**
 * How GGUF files hold a family of decoders: their names of its tensors, the metadata that its config.json is made of, and the changes that
 * llama.cpp's converter makes to its weights. Each family's is in its file (`causal/llama.ts` …).
 */
import type * as Result from "effect/Result"
import type { Metadata, MetadataValue } from "./parse-header.ts"
import type { EncodedValue } from "./write/values.ts"

/** A GGUF architecture: names and layout of its tensors. */
export interface GgufArchitecture {
  /** `general.architecture` */
  readonly name: string
  /** transformers' names of tensors outside the blocks, by their GGUF names; both without ".weight" and ".bias" */
  readonly outside: Readonly<Record<string, string>>
  /** the same for tensors inside blocks, without "blk.0." and `blockPrefix` + "0." */
  readonly inside: Readonly<Record<string, string>>
  readonly blockPrefix: string
  /** tensors that are not weights: read into the config, or tables that transformers computes */
  readonly withoutCounterpart: ReadonlyArray<string>
  /** Returns config.json. `model_type` and `architectures` default to the family's. */
  readonly config: (source: ConfigSource) => Readonly<Record<string, unknown>>
  /** Returns a tensor's shape and values in transformers' layout; undefined: the stored layout. */
  readonly undo: (name: string, shape: ReadonlyArray<number>, fields: Fields) => Undo | undefined
}

/** GGUF export of a model family: the inverse of an architecture. */
export interface GgufWriting {
  /** architecture that names the tensors; for Mistral, Llama's */
  readonly architecture: GgufArchitecture
  /** Converts config.json to metadata, or returns what the architecture cannot represent: ends of sentences. */
  readonly hyperparameters: (config: unknown) => Result.Result<Hyperparameters, ReadonlyArray<string>>
  /**
   * Returns a tensor's values [rows, columns] in the converter's layout from the layout here; undefined: both are equal. `name`: GGUF's.
   */
  readonly change: (name: string, heads: Heads) => ((data: Float32Array, columns: number) => Float32Array) | undefined
}

/** Heads of a layer. */
export interface Heads {
  readonly attentionHeads: number
  readonly keyValueHeads: number
}

/** Metadata of a model. */
export interface Hyperparameters {
  /** values by key, without the architecture's prefix */
  readonly values: Readonly<Record<string, EncodedValue>>
  /** tensors that are not weights, by their full names: [n] each */
  readonly tensors: Readonly<Record<string, Float32Array>>
  /** differences in how llama.cpp computes, whatever the file contains: sentences */
  readonly notes: ReadonlyArray<string>
}

/** Returns GGUF's name of a parameter of transformers' class, without ".weight" and ".bias"; undefined: it has none. */
export const ggufName = (
  { inside, outside, blockPrefix }: Pick<GgufArchitecture, "inside" | "outside" | "blockPrefix">,
  module: string
): string | undefined => {
  const lookUp = (names: Readonly<Record<string, string>>, stem: string) =>
    Object.entries(names).find(([, name]) => name === stem)?.[0]
  if (!module.startsWith(blockPrefix)) return lookUp(outside, module)
  const [block, ...rest] = module.slice(blockPrefix.length).split(".")
  const name = lookUp(inside, rest.join("."))
  return name === undefined ? undefined : `blk.${block}.${name}`
}

/** A GGUF file, as a config is derived from it. */
export interface ConfigSource {
  readonly fields: Fields
  /** the file's tensors, by their GGUF names */
  readonly tensors: ReadonlyMap<string, { readonly shape: ReadonlyArray<number> }>
  /** values of the tensors of `ROTARY_FACTORS` in the file, by name */
  readonly rotaryFactors: ReadonlyMap<string, Float32Array>
}

/** Conversion of a tensor to transformers' layout. */
export interface Undo {
  readonly shape: ReadonlyArray<number>
  readonly values: (data: Float32Array) => Float32Array
  /** Reorders rows of `length` elements of any type; absent: rows are not reordered as a whole. */
  readonly rows?: MoveRows
}

/** Reorders the rows of a matrix. */
export type MoveRows = <Data extends Float32Array | Int32Array>(data: Data, length: number) => Data

/** A GGUF file's metadata by key, and its problems. Keys of the architecture are given without its prefix ("block_count" for "llama.block_count"). */
export interface Fields {
  readonly problems: ReadonlyArray<string>
  /** Returns a size or count above 0; NaN, with a problem recorded, if it is missing or invalid. */
  readonly size: (key: string) => number
  /** Returns the shortest decimal of a float32: 1e-5 instead of 0.000009999999747378752. */
  readonly real: (key: string) => number
  readonly optionalReal: (key: string) => number | undefined
  /** Returns a stored value of any type. */
  readonly value: (key: string) => MetadataValue | undefined
  /** Returns a token's id by its name among the tokenizer's ids ("bos" for "tokenizer.ggml.bos_token_id"); null: not in the file. */
  readonly tokenId: (name: string) => number | null
  readonly note: (problem: string) => void
}

/** Creates access to metadata. */
export const fieldsOf = (metadata: Metadata, architecture: string): Fields => {
  const problems: Array<string> = []
  const value = (key: string) => metadata.get(`${architecture}.${key}`)
  const read = (key: string, accepts: (value: number) => boolean, expected: string): number => {
    const stored = value(key)
    if (typeof stored === "number" && accepts(stored)) return stored
    const what = stored === undefined ? "is missing" : `is ${JSON.stringify(stored)?.slice(0, 60)}`
    problems.push(`metadata ${architecture}.${key} ${what}; expected ${expected}`)
    return Number.NaN
  }
  const real = (key: string) => shortest(read(key, Number.isFinite, "a number"))
  return {
    problems,
    size: (key) => read(key, (n) => Number.isSafeInteger(n) && n > 0, "a whole number above 0"),
    real,
    optionalReal: (key) => (value(key) === undefined ? undefined : real(key)),
    value,
    tokenId: (name) => {
      const id = metadata.get(`tokenizer.ggml.${name}_token_id`)
      return typeof id === "number" ? id : null
    },
    note: (problem) => void problems.push(problem)
  }
}

/** The shortest decimal that is the same float32. */
const shortest = (value: number): number => {
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits))
    if (Math.fround(short) === Math.fround(value)) return short
  }
  return value
}

/** Returns the part of a config that every architecture with a vocabulary has. */
export const vocabularyConfig = ({ tensors, fields }: ConfigSource) => ({
  vocab_size: tensors.get("token_embd.weight")?.shape[0] ?? Number.NaN,
  tie_word_embeddings: !tensors.has("output.weight"),
  bos_token_id: fields.tokenId("bos"),
  eos_token_id: fields.tokenId("eos"),
  pad_token_id: fields.tokenId("padding")
})
