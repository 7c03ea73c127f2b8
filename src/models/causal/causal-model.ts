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
import type { ExportedModel, ModelError, Network, OnDevice, ParameterSpec, RunBlock, Stack } from "../model.ts"
import type { CausalInput, CausalOutput, Decoder, DecoderSizes } from "./decoder.ts"

/** All that is known of a causal model without reading a weight. */
export interface CausalDescription extends DecoderSizes, ExportedModel {
  /** the folder or file it comes from */
  readonly source: string
  /** sizes, layers and parameters */
  readonly decoder: Decoder
  /** the linear layers of the blocks, without the output layer, as in PEFT's "all-linear" */
  readonly sites: ReadonlyArray<LinearSite>
  /** with the output layer's `lm_head.weight`, where it is not the embedding */
  readonly parameters: ReadonlyArray<ParameterSpec>
  /** blocks that the backward pass can recompute */
  readonly stack: Stack
  /** what is trained itself: nothing of its own */
  readonly head: {
    /** none */
    readonly parameters: readonly []
  }
  /** prefix of the backbone's names in transformers' own class; `causalClassName` applies it */
  readonly prefix: string
  /** the output layer is the embedding */
  readonly tied: boolean
  /** linear weights are stored [in, out]: PEFT's `fan_in_fan_out` */
  readonly fanInFanOut: boolean
  /** tokens at which generation ends, from generation_config.json or config.json */
  readonly eosIds: ReadonlyArray<number>
  /** name of each parameter in the source, by its name here */
  readonly stored: ReadonlyMap<string, string>
  /** stored tensors that nothing reads: buffers, a vision tower, a copy of a tied output layer */
  readonly unusedTensors: ReadonlyArray<string>
}

export interface CausalModel extends CausalDescription, Network {
  readonly head: {
    /** none */
    readonly parameters: readonly []
  }
  readonly sites: ReadonlyArray<LinearSite>
  readonly parameters: ReadonlyArray<ParameterSpec>
  readonly stack: Stack
  readonly prefix: string
  /** ids for texts, and its chat template */
  readonly tokenizer: CausalTokenizer
  /** target: the labels int32 [size·length]; mask: 1 where there is a token */
  readonly toDevice: (batch: CausalRows) => OnDevice<CausalInput, Tensor1D> & {
    /** `[size·length]` */
    readonly mask: Tensor1D
  }
  readonly forward: (input: CausalInput, linear: Linear, weights: Weights, runBlock?: RunBlock) => CausalOutput
}

/** `packed`: null where a block holds what no packing does. */
export type Take = (name: string, packed: () => PackedHostMatrix | null) => boolean

/**
 * Where a causal model's parts come from: a Hugging Face folder or a GGUF file, both in transformers' terms. Only headers are read until
 * `read` is called.
 */
export interface CheckpointSource {
  /** the folder or file */
  readonly where: string
  /** config.json, or the same made from a GGUF file's metadata */
  readonly config: unknown
  /** generation_config.json; null: no such file */
  readonly generationConfig: unknown
  /** tokenizer.json, and tokenizer_config.json (with `chat_template` in it wherever the template was found); null: no such file */
  readonly tokenizer: unknown
  /** null: there is no such file */
  readonly tokenizerConfig: unknown
  /** stored tensors by their names in transformers' own class ("model.layers.0.self_attn.q_proj.weight"), shapes as transformers has them */
  readonly tensors: ReadonlyMap<
    string,
    {
      /** a linear weight's is [out, in] */
      readonly shape: ReadonlyArray<number>
    }
  >
  /**
   * Visits the named tensors as float32, one at a time, in an order of its own; no more than one is held at a time. `take` is offered a
   * matrix that the source stores in a packing's block format, unchanged; if it returns true, the matrix is not visited.
   */
  readonly read: <R>(
    names: ReadonlyArray<string>,
    visit: (name: string, data: Float32Array) => Effect.Effect<void, ModelError, R>,
    take?: Take
  ) => Effect.Effect<void, ModelError, R | FileSystem.FileSystem | Path.Path>
}
