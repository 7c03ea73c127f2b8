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

/** Reports all problems of a model folder at once. */
export class ModelError extends Schema.TaggedError<ModelError>()("ModelError", {
  /** folder or file of the model */
  folder: Schema.String,
  /** one sentence per problem, each naming the file */
  problems: Schema.Array(Schema.String)
}) {
  override get message() {
    return listedLines(this.problems, (problem) => `model ${this.folder}: ${problem}`)
  }
}

/** Returns the error for a source that is a URL, or `undefined` for a path. */
export const refusedUrl = (source: string): ModelError | undefined => {
  if (!isUrl(source)) return undefined
  const problem = "is a URL; models are read from files: download it first, or name a model of the Hub as hf:owner/name"
  return new ModelError({ folder: withoutSecrets(source), problems: [problem] })
}

/** A parameter of a model: its name in the family's naming and its shape (linear weights [out, in]). */
export interface ParameterSpec {
  /** in the family's naming */
  readonly name: string
  /** [out, in] for a linear weight */
  readonly shape: ReadonlyArray<number>
  /** initial value of every element of a new parameter that is initialized neither at random nor to 0 */
  readonly initial?: number
}

/** Returns the parameters of a linear layer. */
export const linearParameters = ({ name, out, in: inputs, bias }: LinearSite): ReadonlyArray<ParameterSpec> => [
  { name: `${name}.weight`, shape: [out, inputs] },
  ...(bias === false ? [] : [{ name: `${name}.bias`, shape: [out] }])
]

/** Returns the parameters of a LayerNorm, with or without a bias. */
export const normParameters = (name: string, size: number, bias = true): ReadonlyArray<ParameterSpec> =>
  (bias ? ["weight", "bias"] : ["weight"]).map((part) => ({ name: `${name}.${part}`, shape: [size] }))

/** Rows of a step, on the host. */
export interface Rows {
  /** number of rows */
  readonly size: number
  /** units for the speed of a step: tokens without padding, or rows */
  readonly tokens: number
  /** number of terms that the loss averages; default: rows. Accumulated batches are weighted by it. */
  readonly counted?: number
}

/** A batch on the device; the caller disposes its tensors. */
export interface OnDevice<Input, Target> {
  /** input of `forward` */
  readonly input: Input
  /** target that the loss compares outputs with */
  readonly target: Target
  /** `[positions]`: 1 for input, 0 for padding; absent: no padding */
  readonly mask?: Tensor1D
}

/**
 * Runs one block of a forward pass: calls it with the inputs, now and perhaps a second time (`recomputed`). A block is pure. Its inputs are the
 * tensors that do not outlive the forward pass; weights, and the tensors that `linear` uses, do.
 */
export type RunBlock = <Inputs extends ReadonlyArray<Tensor>>(
  block: (...inputs: Inputs) => Tensor2D,
  ...inputs: Inputs
) => Tensor2D

/** Runs a block once and keeps its activations for the backward pass. */
export const runOnce: RunBlock = (block, ...inputs) => block(...inputs)

/** Individual rows of a batch: sequences with or without padding at the end. */
export interface Sequences {
  /** positions per row, including padding */
  readonly length: number
  /** rows in the order of the batch */
  readonly rows: ReadonlyArray<{
    /** key of the row: rows with equal keys have equal hidden states */
    readonly key: string
    /** number of tokens up to the last non-padding token */
    readonly tokens: number
  }>
  /** Returns a batch of the selected rows, padded to the longest of them. */
  readonly some: (rows: ReadonlyArray<number>) => Rows & {
    /** positions per row, including padding */
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
  /** width of a hidden state */
  readonly width: number
  // a method, whose argument a network may narrow
  /** Returns the individual rows of a batch, or `undefined` if they are too short to be computed separately. */
  sequences(batch: Rows): Sequences | undefined
}

/** A network that can be adapted and trained: layers, parameters, and a forward pass that takes its linear layers as an argument. */
export interface Network {
  /** linear layers that accept an adapter */
  readonly sites: ReadonlyArray<LinearSite>
  /** all frozen parameters of the forward pass, without those of the head */
  readonly parameters: ReadonlyArray<ParameterSpec>
  /** directly trained head with a separate learning rate; `weights` includes its parameters */
  readonly head: {
    /** parameters of the head; empty: no head is trained */
    readonly parameters: ReadonlyArray<ParameterSpec>
  }
  /** prefix of parameter names in the checkpoint's class, e.g. "bert."; "" for none */
  readonly prefix: string
  /** parameters on the device, except those in `packed` */
  readonly weights: Weights
  /** packed (quantized) weights of linear layers by parameter name; absent: none */
  readonly packed?: ReadonlyMap<string, PackedMatrix> | undefined
  /** blocks of the forward pass; absent: the forward pass is not a stack of blocks */
  readonly stack?: Stack | undefined
  // methods, whose arguments a network may narrow to batches and inputs of its own
  /** Copies a batch to the device. */
  toDevice(batch: Rows): OnDevice<unknown, unknown>
  /** Runs the forward pass (tensor code). `weights` must include the head's parameters; without `runBlock`, each block runs once. */
  forward(input: unknown, linear: Linear, weights: Weights, runBlock?: RunBlock): unknown
}

/** Type of a network's batches on the host. */
export type BatchOf<M extends Network> = Parameters<M["toDevice"]>[0]
/** Input tensors of a network's forward pass. */
export type InputOf<M extends Network> = Parameters<M["forward"]>[0]
/** Output of a network's forward pass. */
export type OutputOf<M extends Network> = ReturnType<M["forward"]>
/** Target that a network's loss compares with the output. */
export type TargetOf<M extends Network> = ReturnType<M["toDevice"]>["target"]

/** Calls `model.toDevice` with the batch, input and target types of this network. */
export const toDevice = <M extends Network>(model: M, batch: BatchOf<M>): OnDevice<InputOf<M>, TargetOf<M>> =>
  model.toDevice(batch) as OnDevice<InputOf<M>, TargetOf<M>>

/** Token ids and token types of a text or a pair of texts. */
export interface Encoding {
  /** token ids, including special tokens */
  readonly ids: ReadonlyArray<number>
  /** token type of each id: 1 for the second text of a pair, otherwise 0 */
  readonly typeIds: ReadonlyArray<number>
}

/** Tokens of words, or of a window of them, with special tokens. */
export interface WordEncoding extends Encoding {
  /** index of each token's word; −1 for special tokens */
  readonly words: ReadonlyArray<number>
}

/** Tokenizer of a text model, read from the `tokenizer.json` next to its weights. */
export interface Tokenizer {
  /**
   * Encodes a text or pair with special tokens, truncated to `maxLength` tokens; truncation keeps special tokens and cuts the longer text
   * first. Throws if the tokenizer does not support pairs.
   */
  readonly encode: (text: string, maxLength: number, pair?: string) => Encoding
  /**
   * Encodes words one by one, in windows of at most `maxLength` tokens of which neighbours share `stride` (default 0); absent: the tokenizer
   * encodes only whole texts. Throws if a window has no room for words.
   */
  readonly encodeWords?: (
    words: ReadonlyArray<string>,
    maxLength: number,
    stride?: number
  ) => ReadonlyArray<WordEncoding>
  /** id of the padding token */
  readonly padId: number
  /** number of tokens in the vocabulary */
  readonly vocabularySize: number
  /** id of the unknown token; undefined: the vocabulary covers every text, or the tokenizer does not report it */
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

/** Head over the last hidden states: its layers, and how the run folder stores it. */
export interface HeadSpec {
  /** pooling of a row's hidden states: mean over its tokens, first token, or first token through the checkpoint's pooler; "tokens": none, each token has an output */
  readonly pooling: "mean" | "first" | "pooler" | "tokens"
  /** output: a linear layer over the pooled state, or the pooled state itself, unchanged or normalized to length 1 (no output-layer parameters) */
  readonly output: "linear" | "pooled" | "normalized"
  /** parameters of the head, trained with the head's learning rate */
  readonly parameters: ReadonlyArray<ParameterSpec>
  /** parameters loaded from the checkpoint (a pooler, a saved classifier); the others are initialized */
  readonly inCheckpoint: ReadonlySet<string>
  /** initialization of the last layer's weight: N(0, 0.02²) or 0; biases are always initialized to 0 */
  readonly start: "normal" | "zeros"
  /** modules that transformers' own class has, saved as PEFT's modules_to_save; empty for a head over mean pooling (head.safetensors) */
  readonly modulesToSave: ReadonlyArray<string>
}

/** Names of a model's tensors and modules in transformers' class, which PEFT's files use. */
export interface Exported {
  /** PEFT's `task_type`; null: PEFT has none for such models */
  readonly task: TaskType | null
  /** Returns the path of a module or parameter in that class. */
  readonly nameOf: (name: string) => string
  /** prefix of the backbone in transformers' class with a head, which files from elsewhere may have: "bert."; "" for none */
  readonly otherPrefix: string
  /** modules of the head that the class has, PEFT's `modules_to_save`; empty: it has none */
  readonly modulesToSave: ReadonlyArray<string>
  /** whether the class has no such head, so that head.safetensors stores it */
  readonly ownHead: boolean
  /** parameters of the head that the base model has */
  readonly inBase: ReadonlySet<string>
  /** Returns the other parameters of that class with the same values: a shared embedding is also the output layer's. */
  readonly tiedTo: (name: string) => ReadonlyArray<string>
  /** whether linear weights are stored [in, out] */
  readonly fanInFanOut: boolean
}

/** Task types of PEFT. */
export const taskTypes = ["SEQ_CLS", "TOKEN_CLS", "CAUSAL_LM", "FEATURE_EXTRACTION", "SEQ_2_SEQ_LM"] as const
/** Task type of a model, as PEFT names it. */
export type TaskType = (typeof taskTypes)[number]

/** Names and adapter sites that exporting a model requires. */
export interface ExportedModel {
  /** `model_type` of config.json */
  readonly family: string
  /** linear layers that accept an adapter */
  readonly sites: ReadonlyArray<LinearSite>
  /** names of the model and its tensors in PEFT and transformers */
  readonly exported: Exported
}

/** Sizes of an encoder, from its config.json. */
export interface EncoderSizes {
  /** width of a hidden state */
  readonly hiddenSize: number
  /** number of blocks */
  readonly layers: number
  /** heads per attention layer */
  readonly attentionHeads: number
  /** inner width of the feed-forward part */
  readonly intermediateSize: number
  /** number of tokens in the vocabulary */
  readonly vocabularySize: number
  /** rows of the token-type table; 0: the model has none and ignores types */
  readonly tokenTypes: number
  /** maximum sequence length, in tokens */
  readonly maxLength: number
}

/** Description of a text model, available without reading its weights. */
export interface ModelDescription extends ExportedModel, EncoderSizes {
  /** location of the model, unchanged from the caller's source */
  readonly folder: string
  /** all frozen parameters of the forward pass, without those of the head */
  readonly parameters: ReadonlyArray<ParameterSpec>
  /** blocks of the forward pass; absent: the forward pass is not a stack of blocks */
  readonly stack?: Stack | undefined
  /** head on top of the backbone */
  readonly head: HeadSpec
  /** class names, in the order of the logits */
  readonly labels: ReadonlyArray<string>
  /** prefix of a name of this family in the checkpoint's own class, e.g. "bert." (PEFT keys need it) */
  readonly prefix: string
}

/** A loaded text model. */
export interface Model extends ModelDescription {
  /** tokenizer for texts and pairs of texts */
  readonly tokenizer: Tokenizer
  /** frozen parameters on the device, except those in `packed` */
  readonly weights: Weights
  /** packed (quantized) weights of linear layers by parameter name; absent: none */
  readonly packed?: ReadonlyMap<string, PackedMatrix> | undefined
  /** Copies a batch to the device. The target holds the labels, int32 [batch], or [batch·length] of a head over tokens. */
  readonly toDevice: (batch: TokenRows) => {
    /** ids, types and the attention mask, each [size, length] */
    readonly input: TokenBatch
    /** class indices, int32 [size] */
    readonly target: Tensor1D
    /** `[size·length]`: 1 for tokens, 0 for padding */
    readonly mask: Tensor1D
  }
  /** Returns the head's output, [batch, classes], [batch·length, classes] or [batch, hidden]. `weights` includes the head's parameters; without `runBlock`, blocks run once. */
  readonly forward: (batch: TokenBatch, linear: Linear, weights: Weights, runBlock?: RunBlock) => Tensor2D
}
