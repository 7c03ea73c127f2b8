/** Models that read one text and write another: what is known of one without a weight, and one on the device. */
import type { Tensor1D, Tensor2D } from "@tensorflow/tfjs-core"
import type { CausalTokenizer, Linear, Seq2SeqRows, Weights } from "../../tensors/index.ts"
import type { CausalOutput } from "../causal/index.ts"
import type { FolderDescription } from "../folder-model.ts"
import type { Network, RunBlock, Stack } from "../model.ts"

/** All that is known of such a model without reading a weight. */
export interface Seq2SeqDescription extends FolderDescription {
  readonly stack?: Stack | undefined
  readonly head: FolderDescription["head"] & { readonly parameters: readonly [] }
  readonly hiddenSize: number
  /** of the encoder, and of the decoder */
  readonly layers: number
  readonly decoderLayers: number
  readonly attentionHeads: number
  readonly headDim: number
  readonly intermediateSize: number
  readonly vocabularySize: number
  /** the token that every target begins after */
  readonly startId: number
  /** the token that ends a text */
  readonly eosId: number
  readonly padId: number
}

/** A batch on the device: int32 [size, source], 1 and 0 [size, source], int32 [size, target]. */
export interface Seq2SeqInput {
  readonly inputIds: Tensor2D
  readonly attentionMask: Tensor2D
  /** the labels one place to the right, after the start token */
  readonly decoderInputIds: Tensor2D
}

export interface Seq2SeqModel extends Seq2SeqDescription, Network {
  readonly sites: Seq2SeqDescription["sites"]
  readonly parameters: Seq2SeqDescription["parameters"]
  readonly head: Seq2SeqDescription["head"]
  readonly stack?: Stack | undefined
  readonly prefix: string
  readonly tokenizer: CausalTokenizer
  /** target: the labels, int32 [size·target], −100 where none is asked for */
  readonly toDevice: (batch: Seq2SeqRows) => { readonly input: Seq2SeqInput; readonly target: Tensor1D }
  /** the decoder's last hidden states [size·target, hidden], scaled where the family scales them, and the unembedding */
  readonly forward: (input: Seq2SeqInput, linear: Linear, weights: Weights, runBlock?: RunBlock) => CausalOutput
}
