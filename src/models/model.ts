/**
 * The contract of a model: a frozen network whose linear layers are an argument.
 *
 * `Network` is what can be adapted and trained: adapters, optimizers and training know no more of a text model (`Model`), a causal one or
 * a `tf.LayersModel` than this. `describe` knows a model from its config and the headers of its weight files alone (for `validate`,
 * before any weight is read); `load` reads the weights. No model knows that adapters exist.
 */
import type { Tensor, Tensor1D, Tensor2D } from "@tensorflow/tfjs-core"
import * as Schema from "effect/Schema"
import { listedLines, withoutSecrets } from "../boundary/index.ts"
import { isUrl } from "../files/index.ts"
import type { Linear, LinearSite, PackedMatrix, TokenRows, Weights } from "../tensors/index.ts"

/** Everything that is wrong with a model folder. */
export class ModelError extends Schema.TaggedError<ModelError>()("ModelError", {
  /** the model's folder or file */
  folder: Schema.String,
  /** each a sentence that names the file */
  problems: Schema.Array(Schema.String)
}) {
  override get message() {
    return listedLines(this.problems, (problem) => `model ${this.folder}: ${problem}`)
  }
}

/** The refusal of a source that is a URL; undefined: it is a path. */
export const refusedUrl = (source: string): ModelError | undefined => {
  if (!isUrl(source)) return undefined
  const problem = "is a URL; models are read from files: download it first, or name a model of the Hub as hf:owner/name"
  return new ModelError({ folder: withoutSecrets(source), problems: [problem] })
}

/** A parameter of a model: its name in the family's naming and its shape (linear weights [out, in]). */
export interface ParameterSpec {
  /** in the family's naming */
  readonly name: string
  /** a linear weight's is [out, in] */
  readonly shape: ReadonlyArray<number>
  /** its starting value everywhere, where it is new and neither drawn at random nor 0 */
  readonly initial?: number
}

/** The parameters of a linear layer. */
export const linearParameters = ({ name, out, in: inputs, bias }: LinearSite): ReadonlyArray<ParameterSpec> => [
  { name: `${name}.weight`, shape: [out, inputs] },
  ...(bias === false ? [] : [{ name: `${name}.bias`, shape: [out] }])
]

/** The parameters of a LayerNorm, which may have no bias. */
export const normParameters = (name: string, size: number, bias = true): ReadonlyArray<ParameterSpec> =>
  (bias ? ["weight", "bias"] : ["weight"]).map((part) => ({ name: `${name}.${part}`, shape: [size] }))

/** Rows of a step, on the host. */
export interface Rows {
  /** how many there are */
  readonly size: number
  /** what the speed of a step is counted in: tokens without padding, or rows */
  readonly tokens: number
  /** how many terms the loss averages: rows unless given. Accumulated batches are weighted by it. */
  readonly counted?: number
}

/** A batch on the device; the caller disposes its tensors. */
export interface OnDevice<Input, Target> {
  /** what `forward` takes */
  readonly input: Input
  /** what the loss compares outputs with */
  readonly target: Target
  /** `[positions]`: 1 where the input holds something, 0 where it is padding; absent: there is no padding */
  readonly mask?: Tensor1D
}

/**
 * Runs one block of a forward pass: calls it with the inputs, now and perhaps a second time (`recomputed`). A block is
 * pure, and its inputs are whatever does not outlive the forward pass; weights and what `linear` uses do.
 */
export type RunBlock = <Inputs extends ReadonlyArray<Tensor>>(
  block: (...inputs: Inputs) => Tensor2D,
  ...inputs: Inputs
) => Tensor2D

/** Runs a block as it is: its activations are kept for the backward pass. */
export const runOnce: RunBlock = (block, ...inputs) => block(...inputs)

/** The rows of a batch one by one: sequences that end in padding, or in none. */
export interface Sequences {
  /** positions of a row, with its padding */
  readonly length: number
  /** in the batch's order */
  readonly rows: ReadonlyArray<{
    /** all that distinguishes a row's hidden states from another's */
    readonly key: string
    /** tokens up to the last that is not padding */
    readonly tokens: number
  }>
  /** Some of the rows as a batch of their own, as long as the longest of them. */
  readonly some: (rows: ReadonlyArray<number>) => Rows & {
    /** positions of a row, with padding */
    readonly length: number
  }
}

/**
 * A forward pass that is a stack of blocks: it calls `runBlock` once for each, in their order, with the hidden states [size·length, width]
 * first. Those of a row depend on the row's own tokens alone.
 */
export interface Stack {
  /** names of the parameters that each block reads */
  readonly blocks: ReadonlyArray<ReadonlyArray<string>>
  /** numbers of a hidden state */
  readonly width: number
  // a method, whose argument a network may narrow
  /** The rows of a batch, one by one; undefined: they are too short to be computed alone. */
  sequences(batch: Rows): Sequences | undefined
}

/** What can be adapted and trained: layers, parameters, and a forward pass in which each linear layer is an argument. */
export interface Network {
  /** the linear layers that an adapter may go into */
  readonly sites: ReadonlyArray<LinearSite>
  /** every frozen parameter the forward pass needs (the head's not included) */
  readonly parameters: ReadonlyArray<ParameterSpec>
  /** what is trained itself, with a learning rate of its own; its parameters are in `weights` too */
  readonly head: {
    /** none: nothing is trained itself */
    readonly parameters: ReadonlyArray<ParameterSpec>
  }
  /** prefix of the names in the checkpoint's own class, e.g. "bert."; "" for none */
  readonly prefix: string
  /** parameters on the device, but for those in `packed` */
  readonly weights: Weights
  /** weights of linear layers that are held in fewer bits, by parameter name; absent: none */
  readonly packed?: ReadonlyMap<string, PackedMatrix> | undefined
  /** absent: its forward pass is no stack of blocks */
  readonly stack?: Stack | undefined
  // methods, whose arguments a network may narrow to batches and inputs of its own
  /** A batch on the device. */
  toDevice(batch: Rows): OnDevice<unknown, unknown>
  /** Tensor code; `weights` must know the head's parameters; without `runBlock` each block runs once. */
  forward(input: unknown, linear: Linear, weights: Weights, runBlock?: RunBlock): unknown
}

/** The batches of a network, as rows become them. */
export type BatchOf<M extends Network> = Parameters<M["toDevice"]>[0]
/** What a network's forward pass takes: tensors. */
export type InputOf<M extends Network> = Parameters<M["forward"]>[0]
/** What a network's forward pass gives. */
export type OutputOf<M extends Network> = ReturnType<M["forward"]>
/** What a network's loss compares with the output. */
export type TargetOf<M extends Network> = ReturnType<M["toDevice"]>["target"]

/** `model.toDevice`, with the types of this network. */
export const toDevice = <M extends Network>(model: M, batch: BatchOf<M>): OnDevice<InputOf<M>, TargetOf<M>> =>
  model.toDevice(batch) as OnDevice<InputOf<M>, TargetOf<M>>

/** A text, or a pair, as tokens; type 1 is the second text of a pair. */
export interface Encoding {
  /** with special tokens */
  readonly ids: ReadonlyArray<number>
  /** as many as `ids` */
  readonly typeIds: ReadonlyArray<number>
}

/** A text model's tokenizer, from the `tokenizer.json` beside its weights. */
export interface Tokenizer {
  /**
   * Ids with special tokens, truncated to `maxLength` tokens (the special ones kept); of two texts, the longer one is cut first. Throws
   * where the tokenizer has no form for pairs.
   */
  readonly encode: (text: string, maxLength: number, pair?: string) => Encoding
  /** what shorter texts of a batch are padded with */
  readonly padId: number
  /** tokens that it has ids for */
  readonly vocabularySize: number
  /** of what the vocabulary has no token for; undefined: every text has tokens, or the tokenizer does not tell */
  readonly unknownId?: number | undefined
}

/** Token tensors of one batch: inputIds, tokenTypeIds int32 [batch, length]; attentionMask float32 [batch, length], 1 = token. */
export interface TokenBatch {
  /** `[size, length]`, int32 */
  readonly inputIds: Tensor2D
  /** `[size, length]`, float32: 1 for a token, 0 for padding */
  readonly attentionMask: Tensor2D
  /** `[size, length]`, int32: 1 for the second text of a pair */
  readonly tokenTypeIds: Tensor2D
}

/** What is made of the last hidden states: what it consists of, and how it is saved in the run folder. */
export interface HeadSpec {
  /** of a row's hidden states: the mean over its tokens, the first token's, or the first token's through the checkpoint's pooler */
  readonly pooling: "mean" | "first" | "pooler"
  /** a linear layer over the pooled state, or that state itself, as it is or of length 1: then there are no parameters */
  readonly output: "linear" | "pooled" | "normalized"
  /** parameters of the head, trained with the head's learning rate */
  readonly parameters: ReadonlyArray<ParameterSpec>
  /** those that the checkpoint holds (a pooler, a saved classifier) and that start there; the others are initialized */
  readonly inCheckpoint: ReadonlySet<string>
  /** how the last layer's weight is initialized: N(0, 0.02²) or 0 (biases always 0) */
  readonly start: "normal" | "zeros"
  /** modules that transformers' own class has, saved as PEFT's modules_to_save; empty for a head over mean pooling (head.safetensors) */
  readonly modulesToSave: ReadonlyArray<string>
}

/** How a model is written for others: by the names of the class that transformers loads, which PEFT's files are made of. */
export interface Exported {
  /** PEFT's `task_type`; null: PEFT has none for such models */
  readonly task: TaskType | null
  /** A module's or parameter's path in that class. */
  readonly nameOf: (name: string) => string
  /** prefix of the backbone in transformers' class with a head, which files from elsewhere may have: "bert."; "" for none */
  readonly otherPrefix: string
  /** modules of the head that the class has, PEFT's `modules_to_save`; empty: it has none */
  readonly modulesToSave: ReadonlyArray<string>
  /** the head is none of the class, and is saved in head.safetensors */
  readonly ownHead: boolean
  /** parameters of the head that the base has */
  readonly inBase: ReadonlySet<string>
  /** other parameters of that class that a parameter is as well: a shared embedding is an output layer's too */
  readonly tiedTo: (name: string) => ReadonlyArray<string>
  /** linear weights are stored [in, out] */
  readonly fanInFanOut: boolean
}

/** The tasks that PEFT names. */
export const taskTypes = ["SEQ_CLS", "CAUSAL_LM", "FEATURE_EXTRACTION", "SEQ_2_SEQ_LM"] as const
/** What a model is trained to do. */
export type TaskType = (typeof taskTypes)[number]

/** What a description says of how its model is written. */
export interface ExportedModel {
  /** `model_type` of config.json */
  readonly family: string
  /** the linear layers that an adapter may go into */
  readonly sites: ReadonlyArray<LinearSite>
  /** how PEFT and transformers call it and its tensors */
  readonly exported: Exported
}

/** The sizes of an encoder, as its config.json has them. */
export interface EncoderSizes {
  /** numbers of a hidden state */
  readonly hiddenSize: number
  /** blocks */
  readonly layers: number
  /** heads of each attention */
  readonly attentionHeads: number
  /** numbers inside the feed-forward part */
  readonly intermediateSize: number
  /** tokens */
  readonly vocabularySize: number
  /** rows of the token-type table; 0: the model has none and ignores types */
  readonly tokenTypes: number
  /** longest token sequence that positions allow */
  readonly maxLength: number
}

/** All that is known of a text model without reading a weight. */
export interface ModelDescription extends ExportedModel, EncoderSizes {
  /** where the model is, as given */
  readonly folder: string
  /** every frozen parameter the forward pass needs (the head's not included) */
  readonly parameters: ReadonlyArray<ParameterSpec>
  /** absent: its forward pass is no stack of blocks */
  readonly stack?: Stack | undefined
  /** what is put on the backbone */
  readonly head: HeadSpec
  /** class names, in the order of the logits */
  readonly labels: ReadonlyArray<string>
  /** prefix of a name of this family in the checkpoint's own class, e.g. "bert." (PEFT keys need it) */
  readonly prefix: string
}

export interface Model extends ModelDescription {
  /** ids for texts and pairs of them */
  readonly tokenizer: Tokenizer
  /** frozen parameters on the device, but for those in `packed` */
  readonly weights: Weights
  /** weights of linear layers that are held in fewer bits, by parameter name; absent: none */
  readonly packed?: ReadonlyMap<string, PackedMatrix> | undefined
  /** a batch on the device; target: the labels, int32 [batch] */
  readonly toDevice: (batch: TokenRows) => {
    /** ids, types and the attention mask, each [size, length] */
    readonly input: TokenBatch
    /** int32 [size]: indices of classes */
    readonly target: Tensor1D
    /** `[size·length]`: 1 where there is a token, 0 where there is padding */
    readonly mask: Tensor1D
  }
  /** what the head says, [batch, classes] or [batch, hidden]; `weights` must also know the head's parameters; without `runBlock` each block runs once */
  readonly forward: (batch: TokenBatch, linear: Linear, weights: Weights, runBlock?: RunBlock) => Tensor2D
}
