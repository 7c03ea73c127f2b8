/**
 * Where a causal model's parts come from: a Hugging Face folder or a GGUF file, both in the words of transformers. Headers only, until
 * `read` is called.
 */
import type * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import type { ModelError } from "../model-error.ts"

export interface CheckpointSource {
  /** the folder or file */
  readonly where: string
  /** config.json, or the same made from a GGUF file's metadata */
  readonly config: unknown
  /** generation_config.json; null: there is none */
  readonly generationConfig: unknown
  /** tokenizer.json, and tokenizer_config.json (with `chat_template` in it wherever the template was found); null: there is none */
  readonly tokenizer: unknown
  readonly tokenizerConfig: unknown
  /** stored tensors by their names in transformers' own class ("model.layers.0.self_attn.q_proj.weight"), shapes as transformers has them */
  readonly tensors: ReadonlyMap<string, { readonly shape: ReadonlyArray<number> }>
  /** Hands the named tensors over, one after another in an order of its own, as float32; no more than one is held at a time. */
  readonly read: <R>(
    names: ReadonlyArray<string>,
    visit: (name: string, data: Float32Array) => Effect.Effect<void, ModelError, R>
  ) => Effect.Effect<void, ModelError, R | FileSystem.FileSystem | Path.Path>
}
