/**
 * The contract of a model family: a frozen base whose linear layers are an argument.
 *
 * `describe` knows a model from its config and the headers of its weight files alone (for `validate`, before any weight is read);
 * `load` reads the weights. A family does not know adapters exist.
 */
import type { Tensor, Tensor1D, Tensor2D } from "@tensorflow/tfjs"
import type { Linear, LinearSite, PackedMatrix, TokenRows, Weights } from "../tensors/index.ts"
import type { Tokenizer } from "./tokenizer.ts"

/** Token tensors of one batch: inputIds, tokenTypeIds int32 [batch, length]; attentionMask float32 [batch, length], 1 = token. */
export interface TokenBatch {
  readonly inputIds: Tensor2D
  readonly attentionMask: Tensor2D
  readonly tokenTypeIds: Tensor2D
}

/** A parameter of a model: its name in the family's naming and its shape (linear weights [out, in]). */
export interface ParameterSpec {
  readonly name: string
  readonly shape: ReadonlyArray<number>
}

/** The classification head: what it consists of, and how it leaves the run folder. */
export interface HeadSpec {
  readonly pooling: "mean" | "pooler"
  /** parameters of the head, trained with the head's learning rate */
  readonly parameters: ReadonlyArray<ParameterSpec>
  /** true for those a checkpoint holds (a pooler, a saved classifier): they start there; the others start new */
  readonly inCheckpoint: ReadonlySet<string>
  /** how the last layer's weight starts where it starts new: N(0, 0.02²) or 0 (biases always 0) */
  readonly start: "normal" | "zeros"
  /** modules that transformers' own class has, saved as PEFT's modules_to_save; empty for a head over mean pooling (head.safetensors) */
  readonly modulesToSave: ReadonlyArray<string>
}

/** All that is known of a model without reading a weight. */
export interface ModelDescription {
  readonly folder: string
  readonly family: string
  readonly sites: ReadonlyArray<LinearSite>
  /** every frozen parameter the forward pass needs (the head's not included) */
  readonly parameters: ReadonlyArray<ParameterSpec>
  readonly head: HeadSpec
  /** class names, in the order of the logits */
  readonly labels: ReadonlyArray<string>
  readonly hiddenSize: number
  readonly layers: number
  readonly attentionHeads: number
  readonly intermediateSize: number
  readonly vocabularySize: number
  /** longest token sequence the position embeddings allow */
  readonly maxLength: number
  /** what stands before a name of this family in the checkpoint's own class, e.g. "bert." (PEFT keys need it) */
  readonly prefix: string
}

/**
 * Runs one block of a forward pass: calls it with the inputs, now and perhaps a second time (`recomputed`). A block is
 * pure, and gets as input whatever does not outlive the forward pass; weights and what `linear` uses do.
 */
export type RunBlock = <Inputs extends ReadonlyArray<Tensor>>(
  block: (...inputs: Inputs) => Tensor2D,
  ...inputs: Inputs
) => Tensor2D

export interface Model extends ModelDescription {
  readonly tokenizer: Tokenizer
  /** frozen parameters on the device, but for those in `packed` */
  readonly weights: Weights
  /** weights of linear layers that are held in fewer bits, by parameter name; absent: none */
  readonly packed?: ReadonlyMap<string, PackedMatrix> | undefined
  /** a batch on the device; target: the labels, int32 [batch] */
  readonly feed: (batch: TokenRows) => {
    readonly input: TokenBatch
    readonly target: Tensor1D
    readonly mask: Tensor1D
  }
  /** logits [batch, classes]; `weights` must also know the head's parameters; without `runBlock` each block runs once */
  readonly forward: (batch: TokenBatch, linear: Linear, weights: Weights, runBlock?: RunBlock) => Tensor2D
}
