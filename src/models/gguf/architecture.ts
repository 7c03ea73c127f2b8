/** What a GGUF architecture is to transformers: its tensors' names, its config, and the converter's changes to its weights. */
import type { Fields } from "./fields.ts"
import type { GgufHeader } from "./gguf-file.ts"

export interface Architecture {
  /** GGUF name → transformers' name, of tensors outside the blocks; both without ".weight" and ".bias" */
  readonly outside: Readonly<Record<string, string>>
  /** the same inside blocks, without "blk.0." and `blockPrefix` + "0." */
  readonly inside: Readonly<Record<string, string>>
  readonly blockPrefix: string
  /** tensors that are no weights: read into the config, or tables that transformers computes itself */
  readonly withoutCounterpart: ReadonlyArray<string>
  /** config.json */
  readonly config: (source: ConfigSource) => Readonly<Record<string, unknown>>
  /** the shape and values of a tensor as transformers has them; undefined: as they are stored */
  readonly undo: (name: string, shape: ReadonlyArray<number>, fields: Fields) => Undo | undefined
}

export interface ConfigSource {
  readonly header: GgufHeader
  readonly fields: Fields
  /** what the tensors of `ROTARY_FACTORS` hold that the file has, by their names */
  readonly rotaryFactors: ReadonlyMap<string, Float32Array>
}

export interface Undo {
  readonly shape: ReadonlyArray<number>
  readonly values: (data: Float32Array) => Float32Array
}

/** The part of the config that every architecture with a vocabulary has. */
export const vocabularyConfig = ({ header, fields }: ConfigSource) => ({
  vocab_size: header.tensors.get("token_embd.weight")?.shape[0] ?? Number.NaN,
  tie_word_embeddings: !header.tensors.has("output.weight"),
  bos_token_id: fields.tokenId("bos"),
  eos_token_id: fields.tokenId("eos"),
  pad_token_id: fields.tokenId("padding")
})
