/** Models that read one text and write another: what is known of one without a weight, and one on the device. */
import type { Tensor1D, Tensor2D, Tensor3D } from "@tensorflow/tfjs-core"
import type * as Result from "effect/Result"
import type { Segments } from "../../kernels/index.ts"
import type { CausalTokenizer, Linear, LinearSite, Seq2SeqRows, Weights } from "../../tensors/index.ts"
import type { CausalOutput } from "../causal/index.ts"
import type { FolderDescription } from "../folder-model.ts"
import type { Network, ParameterSpec, RunBlock, Stack } from "../model.ts"

/** Sizes of an encoder-decoder. */
export interface Seq2SeqSizes {
  /** width of a hidden state */
  readonly hiddenSize: number
  /** number of encoder blocks */
  readonly layers: number
  /** number of decoder blocks */
  readonly decoderLayers: number
  /** number of heads per attention */
  readonly attentionHeads: number
  /** width of a head */
  readonly headDim: number
  /** width of the feed-forward part */
  readonly intermediateSize: number
  /** rows of the embedding */
  readonly vocabularySize: number
  /** token with which the decoder's input begins */
  readonly startId: number
  /** token that ends a text */
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
  /** head, empty for encoder-decoders */
  readonly head: FolderDescription["head"] & {
    /** none */
    readonly parameters: readonly []
  }
  /** whether the output layer is the embedding */
  readonly tied: boolean
}

/**
 * Attention of a decoder that generates token by token, over the cached tokens of earlier passes too. Called in a tidy: it must `keep` the
 * tensors that it retains. Shapes: q, k, v [texts·tokens, heads·d].
 */
export interface AttendSoFar {
  /** number of tokens per text before this pass */
  readonly before: number
  /** whether the encoder's keys and values are known from an earlier pass, so that it is not run again */
  readonly sourcesRead: boolean
  /** Computes attention over the tokens of the generated texts; `bias` [heads, queries, keys]. */
  readonly self: (layer: number, q: Tensor2D, k: Tensor2D, v: Tensor2D, bias: Tensor3D) => Tensor2D
  /**
   * Computes attention over the sources. `keyValues`: [sources·length, heads·d], in the pass that reads the sources; each source may have several
   * consecutive texts. `segments`: of the sources' tokens.
   */
  readonly cross: (
    layer: number,
    q: Tensor2D,
    keyValues: readonly [k: Tensor2D, v: Tensor2D] | null,
    segments: Segments
  ) => Tensor2D
}

/** A batch on the device. */
export interface Seq2SeqInput {
  /** source tokens, int32 [size, source] */
  readonly inputIds: Tensor2D
  /** `[size, source]`: 1 for tokens, 0 for padding */
  readonly attentionMask: Tensor2D
  /** decoder input, int32 [size, target]: the labels shifted right by one, after the start token */
  readonly decoderInputIds: Tensor2D
  /** attention to use; default: attention within the batch */
  readonly attend?: AttendSoFar | undefined
}

/** An encoder-decoder without its weights. */
export interface EncoderDecoder extends Seq2SeqSizes {
  /** `model_type` of config.json */
  readonly family: string
  /** linear layers of the blocks without the output layer, as in PEFT's "all-linear" */
  readonly sites: ReadonlyArray<LinearSite>
  /** parameters of the forward pass, including the output layer, which a folder does not contain if it is the embedding */
  readonly parameters: ReadonlyArray<ParameterSpec>
  /** name of the token embedding */
  readonly embedding: string
  /** other names of a parameter in files, the most likely first */
  readonly otherNames: Readonly<Record<string, ReadonlyArray<string>>>
  /** parameter that maps hidden states to logits */
  readonly outputLayer: string
  /** whether the output layer is the embedding by the config; a folder's weights override it */
  readonly tied: boolean
  /** Computes the encoder's last hidden states [size·source, hidden]. Tensor code. */
  readonly encode: (input: Seq2SeqInput, linear: Linear, weights: Weights, runBlock?: RunBlock) => Tensor2D
  /**
   * Computes the decoder's last hidden states [size·target, hidden], scaled if the family scales them. `encoded`: null if the sources were read
   * in an earlier pass. Tensor code.
   */
  readonly decode: (
    input: Seq2SeqInput,
    encoded: Tensor2D | null,
    linear: Linear,
    weights: Weights,
    runBlock?: RunBlock
  ) => Tensor2D
}

/** Differences between families: how a config is read. */
export interface Seq2SeqFamily {
  /** `model_type` of config.json */
  readonly name: string
  /** transformers' class that loads a merged model */
  readonly className: string
  /** Returns the model that a config describes, or all problems of the config. */
  readonly open: (config: unknown) => Result.Result<EncoderDecoder, ReadonlyArray<string>>
}

/** A loaded encoder-decoder. */
export interface Seq2SeqModel extends Seq2SeqDescription, Network {
  /** linear layers of the blocks, without the output layer */
  readonly sites: Seq2SeqDescription["sites"]
  readonly parameters: Seq2SeqDescription["parameters"]
  readonly head: Seq2SeqDescription["head"]
  readonly stack?: Stack | undefined
  readonly prefix: string
  /** tokenizer for sources and targets */
  readonly tokenizer: CausalTokenizer
  /** Uploads a batch. `target`: labels int32 [size·target], −100 at positions without a label. */
  readonly toDevice: (batch: Seq2SeqRows) => {
    /** tokens of sources and targets */
    readonly input: Seq2SeqInput
    /** labels, int32 [size·target]; −100: no label */
    readonly target: Tensor1D
  }
  /** Computes the decoder's last hidden states [size·target, hidden], scaled if the family scales them, and returns them with the unembedding. */
  readonly forward: (input: Seq2SeqInput, linear: Linear, weights: Weights, runBlock?: RunBlock) => CausalOutput
}
