/** Models that read one text and write another: what is known of one without a weight, and one on the device. */
import type { Tensor1D, Tensor2D, Tensor3D } from "@tensorflow/tfjs-core"
import type * as Result from "effect/Result"
import type { Segments } from "../../kernels/index.ts"
import type { CausalTokenizer, Linear, LinearSite, Seq2SeqRows, Weights } from "../../tensors/index.ts"
import type { CausalOutput } from "../causal/index.ts"
import type { FolderDescription } from "../folder-model.ts"
import type { Network, ParameterSpec, RunBlock, Stack } from "../model.ts"

export interface Seq2SeqSizes {
  /** numbers of a hidden state */
  readonly hiddenSize: number
  /** of the encoder, and of the decoder */
  readonly layers: number
  /** blocks of the decoder */
  readonly decoderLayers: number
  /** heads of each attention */
  readonly attentionHeads: number
  /** numbers of a head */
  readonly headDim: number
  /** numbers inside the feed-forward part */
  readonly intermediateSize: number
  /** rows of the embedding */
  readonly vocabularySize: number
  /** the token that every target begins after */
  readonly startId: number
  /** the token that ends a text */
  readonly eosId: number
  /** id of the padding token */
  readonly padId: number
}

/** Description of an encoder-decoder model, available without reading its weights. */
export interface Seq2SeqDescription extends FolderDescription, Seq2SeqSizes {
  /** the model without its weights */
  readonly network: EncoderDecoder
  /** blocks of the forward pass; absent: the forward pass is not a stack of blocks */
  readonly stack?: Stack | undefined
  /** what is trained itself: nothing of its own */
  readonly head: FolderDescription["head"] & {
    /** none */
    readonly parameters: readonly []
  }
  /** the output layer is the embedding */
  readonly tied: boolean
}

/**
 * Attention of a decoder that writes: over what earlier passes left too. Called inside a tidy: it has to `keep` what it holds on to.
 * Shapes: q, k, v [texts·tokens, heads·d].
 */
export interface AttendSoFar {
  /** tokens of each text before those of this pass */
  readonly before: number
  /** the encoder's keys and values are known from an earlier pass, and it is not run again */
  readonly sourcesRead: boolean
  /** Over the tokens of the texts that are written; `bias` [heads, queries, keys]. */
  readonly self: (layer: number, q: Tensor2D, k: Tensor2D, v: Tensor2D, bias: Tensor3D) => Tensor2D
  /**
   * `keyValues`: [sources·length, heads·d], of the pass that reads the sources; there may be several texts for each, one after another.
   * `segments`: of the sources' tokens
   */
  readonly cross: (
    layer: number,
    q: Tensor2D,
    keyValues: readonly [k: Tensor2D, v: Tensor2D] | null,
    segments: Segments
  ) => Tensor2D
}

/** A batch on the device: int32 [size, source], 1 and 0 [size, source], int32 [size, target]. */
export interface Seq2SeqInput {
  /** `[size, source]`, int32: tokens of the texts that are read */
  readonly inputIds: Tensor2D
  /** `[size, source]`: 1 where there is a token, 0 where there is padding */
  readonly attentionMask: Tensor2D
  /** the labels one place to the right, after the start token */
  readonly decoderInputIds: Tensor2D
  /** in place of attention inside the batch, which is the default */
  readonly attend?: AttendSoFar | undefined
}

/** Such a model without its weights. */
export interface EncoderDecoder extends Seq2SeqSizes {
  /** `model_type` of config.json */
  readonly family: string
  /** the linear layers of the blocks, without the output layer, as in PEFT's "all-linear" */
  readonly sites: ReadonlyArray<LinearSite>
  /** every parameter of the forward pass, and the output layer, which a folder lacks where it is the embedding */
  readonly parameters: ReadonlyArray<ParameterSpec>
  /** the parameter that tokens are looked up in, and what files call it besides */
  readonly embedding: string
  /** what files call a parameter besides its name, the likeliest first */
  readonly otherNames: Readonly<Record<string, ReadonlyArray<string>>>
  /** the parameter that makes logits of hidden states */
  readonly outputLayer: string
  /** by its config; a folder's weights have the last word */
  readonly tied: boolean
  /** The encoder's last hidden states [size·source, hidden]. Tensor code. */
  readonly encode: (input: Seq2SeqInput, linear: Linear, weights: Weights, runBlock?: RunBlock) => Tensor2D
  /**
   * The decoder's [size·target, hidden], scaled where the family scales them; `encoded`: null where the sources were read before.
   * Tensor code.
   */
  readonly decode: (
    input: Seq2SeqInput,
    encoded: Tensor2D | null,
    linear: Linear,
    weights: Weights,
    runBlock?: RunBlock
  ) => Tensor2D
}

/** What distinguishes one family from another: how its config is read. */
export interface Seq2SeqFamily {
  /** `model_type` of config.json */
  readonly name: string
  /** transformers' class that loads a merged model */
  readonly className: string
  /** The model that a config describes, or all that is wrong with it. */
  readonly open: (config: unknown) => Result.Result<EncoderDecoder, ReadonlyArray<string>>
}

export interface Seq2SeqModel extends Seq2SeqDescription, Network {
  /** the linear layers of the blocks, without the output layer */
  readonly sites: Seq2SeqDescription["sites"]
  readonly parameters: Seq2SeqDescription["parameters"]
  readonly head: Seq2SeqDescription["head"]
  readonly stack?: Stack | undefined
  readonly prefix: string
  /** ids for the texts that are read and those that are written */
  readonly tokenizer: CausalTokenizer
  /** target: the labels, int32 [size·target], −100 where none is asked for */
  readonly toDevice: (batch: Seq2SeqRows) => {
    /** the tokens of both */
    readonly input: Seq2SeqInput
    /** int32 [size·target], −100 where none is asked for */
    readonly target: Tensor1D
  }
  /** the decoder's last hidden states [size·target, hidden], scaled where the family scales them, and the unembedding */
  readonly forward: (input: Seq2SeqInput, linear: Linear, weights: Weights, runBlock?: RunBlock) => CausalOutput
}
