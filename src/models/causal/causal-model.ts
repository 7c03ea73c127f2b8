/**
 * A causal language model as a `Network`: what is known of it from its config and the headers of its weights (`CausalDescription`), and
 * the model with its weights on the device.
 */
import type { Tensor1D } from "@tensorflow/tfjs"
import type { CausalRows, CausalTokenizer, Linear, LinearSite, Weights } from "../../tensors/index.ts"
import type { ParameterSpec, RunBlock } from "../model.ts"
import type { Fed, Network } from "../network.ts"
import type { CausalInput, CausalOutput, Decoder, DecoderSizes } from "./decoder.ts"

/** All that is known of a causal model without reading a weight. */
export interface CausalDescription extends DecoderSizes {
  /** the folder or file it comes from */
  readonly source: string
  /** `model_type` of config.json */
  readonly family: string
  readonly decoder: Decoder
  /** the linear layers of the blocks; the output layer is none of them, as in PEFT's "all-linear" */
  readonly sites: ReadonlyArray<LinearSite>
  /** the output layer's among them, where it is not the embedding: `lm_head.weight` */
  readonly parameters: ReadonlyArray<ParameterSpec>
  readonly head: { readonly parameters: readonly [] }
  /** what stands before the backbone's names in transformers' own class; `classParameterName` applies it */
  readonly prefix: string
  /** the output layer is the embedding */
  readonly tied: boolean
  /** linear weights are stored [in, out]: PEFT's `fan_in_fan_out` */
  readonly fanInFanOut: boolean
  /** tokens at which generation ends, from generation_config.json or config.json */
  readonly eosIds: ReadonlyArray<number>
  /** where each parameter lies in the source, by its name here */
  readonly stored: ReadonlyMap<string, string>
  /** stored tensors that nothing reads: buffers, a vision tower, a copy of a tied output layer */
  readonly unusedTensors: ReadonlyArray<string>
}

export interface CausalModel extends CausalDescription, Network {
  readonly head: { readonly parameters: readonly [] }
  readonly sites: ReadonlyArray<LinearSite>
  readonly parameters: ReadonlyArray<ParameterSpec>
  readonly prefix: string
  readonly tokenizer: CausalTokenizer
  /** target: the labels int32 [size·length]; mask: 1 where there is a token */
  readonly feed: (batch: CausalRows) => Fed<CausalInput, Tensor1D> & { readonly mask: Tensor1D }
  readonly forward: (input: CausalInput, linear: Linear, weights: Weights, runBlock?: RunBlock) => CausalOutput
}
