/**
 * A causal language model as a `Network`: what is known of it from its config and the headers of its weights (`CausalDescription`), and
 * the model with its weights on the device.
 */
import type { Tensor1D } from "@tensorflow/tfjs-core"
import type * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import type { PackedHostMatrix } from "../../numbers/index.ts"
import type { CausalRows, CausalTokenizer, Linear, LinearSite, Weights } from "../../tensors/index.ts"
import type { StoredMatrix } from "../mapped-weights.ts"
import type { ExportedModel, ModelError, Network, OnDevice, ParameterSpec, RunBlock, Stack } from "../model.ts"
import type { CausalInput, CausalOutput, Decoder, DecoderSizes } from "./decoder.ts"

/** Description of a causal model from its config and headers; no weights are read. */
export interface CausalDescription extends DecoderSizes, ExportedModel {
  /** folder or file of the model */
  readonly source: string
  /** sizes, layers and parameters */
  readonly decoder: Decoder
  /** linear layers of the blocks without the output layer, as in PEFT's "all-linear" */
  readonly sites: ReadonlyArray<LinearSite>
  /** parameters, including the output layer's `lm_head.weight` unless it is the embedding */
  readonly parameters: ReadonlyArray<ParameterSpec>
  /** blocks that the backward pass can recompute */
  readonly stack: Stack
  /** head, empty for causal models */
  readonly head: {
    /** none */
    readonly parameters: readonly []
  }
  /** prefix of the backbone's names in transformers' own class; `causalClassName` applies it */
  readonly prefix: string
  /** whether the output layer is the embedding */
  readonly tied: boolean
  /** whether linear weights are stored [in, out]: PEFT's `fan_in_fan_out` */
  readonly fanInFanOut: boolean
  /** tokens that end a text, from generation_config.json or config.json */
  readonly eosIds: ReadonlyArray<number>
  /** name of each parameter in the source, by its name in the backbone */
  readonly stored: ReadonlyMap<string, string>
  /** stored tensors that are not read: buffers, a vision tower, a copy of a tied output layer */
  readonly unusedTensors: ReadonlyArray<string>
}

/** A loaded causal language model. */
export interface CausalModel extends CausalDescription, Network {
  readonly head: {
    /** none */
    readonly parameters: readonly []
  }
  readonly sites: ReadonlyArray<LinearSite>
  readonly parameters: ReadonlyArray<ParameterSpec>
  readonly stack: Stack
  readonly prefix: string
  /** converts texts to ids, and has the chat template */
  readonly tokenizer: CausalTokenizer
  /** Uploads a batch. `target`: labels int32 [size·length]; `mask`: 1 for tokens, 0 for padding. */
  readonly toDevice: (batch: CausalRows) => OnDevice<CausalInput, Tensor1D> & {
    /** `[size·length]`: 1 for tokens, 0 for padding */
    readonly mask: Tensor1D
  }
  readonly forward: (input: CausalInput, linear: Linear, weights: Weights, runBlock?: RunBlock) => CausalOutput
}

/** Offers a packed matrix; returns whether it was taken. `packed` returns null if the packing cannot represent one of its blocks. */
export type Take = (name: string, packed: () => PackedHostMatrix | null) => boolean

/**
 * Source of a causal model's parts: a Hugging Face folder or a GGUF file, both with transformers' names. Only headers are read until `read` is
 * called.
 */
export interface CheckpointSource {
  /** folder or file */
  readonly where: string
  /** config.json, or its equivalent from a GGUF file's metadata */
  readonly config: unknown
  /** generation_config.json; null: the file does not exist */
  readonly generationConfig: unknown
  /** tokenizer.json and tokenizer_config.json (including `chat_template`, whatever file has it); null: the file does not exist */
  readonly tokenizer: unknown
  /** tokenizer_config.json; null: the file does not exist */
  readonly tokenizerConfig: unknown
  /** stored tensors by their names and with their shapes in transformers' class ("model.layers.0.self_attn.q_proj.weight") */
  readonly tensors: ReadonlyMap<
    string,
    {
      /** shape; a linear weight is [out, in] */
      readonly shape: ReadonlyArray<number>
    }
  >
  /** Returns the location of a tensor in its file; undefined if the file's values differ from the model's. */
  readonly stored: (name: string) => StoredMatrix | undefined
  /**
   * Visits the named tensors as float32, in any order, holding one at a time. `take` is offered each matrix that is stored in a packing's block
   * format, unchanged; if it returns true, the matrix is not visited.
   */
  readonly read: <R>(
    names: ReadonlyArray<string>,
    visit: (name: string, data: Float32Array) => Effect.Effect<void, ModelError, R>,
    take?: Take
  ) => Effect.Effect<void, ModelError, R | FileSystem.FileSystem | Path.Path>
}
