/**
 * An encoder without its weights, its forward pass, and the contract of a family of encoders:
 *
 *   h₀ = embed(tokens)        hᵢ₊₁ = blockᵢ(hᵢ)        hidden = finish(h_L)
 *
 * Hidden states are [tokens, hidden] with tokens = batch·length. A block is `transformer-block.ts`'s; what its tokens attend is here: all
 * tokens of their text or those of a window, with positions that were added to the embeddings or turn queries and keys (`rope`).
 */
import type { Tensor, Tensor1D, Tensor2D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import { attention, rope, segmentsOfPadding } from "../kernels/index.ts"
import type { HostTensor } from "../safetensors/index.ts"
import type { Linear, LinearSite, Weights } from "../tensors/index.ts"
import { configReader, type Normalized } from "./config-reader.ts"
import {
  type EncoderSizes,
  normParameters,
  type ParameterSpec,
  type RunBlock,
  runOnce,
  type Stack,
  type TokenBatch
} from "./model.ts"
import { type Rope, rotaryRows } from "./rotary-rows.ts"
import { textSequences } from "./sequences.ts"
import { type Attend, type Norm, normalized, type TransformerBlock } from "./transformer-block.ts"

/** A block with the settings of its attention. */
export interface EncoderBlock extends TransformerBlock {
  /** a token attends tokens fewer than this many positions away; null: all tokens of its text */
  readonly window: number | null
  /** index of the rotary positions in the encoder's `ropes`; null: positions are part of the embeddings */
  readonly rope: number | null
}

/** Classification head of transformers' class: classifier(norm(act(dense(h)))) over the first token's last hidden state or the mean of all. */
export interface ClassifierHead {
  readonly over: "first" | "mean"
  readonly dense: LinearSite
  readonly activate: (x: Tensor2D) => Tensor2D
  /** norm before the classifier; null: none */
  readonly norm: Norm | null
  /** module of the last layer */
  readonly classifier: string
  /** layers of transformers' token classification class: the same over every token's state, or a linear layer `classifier` alone */
  readonly overTokens: "same" | "linear"
  /** whether the layers before the classifier were trained with the backbone (BERT's pooler); they are used whenever a checkpoint has them */
  readonly isPretrained: boolean
}

/** An encoder's forward pass as a value: its sizes, layers, parameters and blocks. */
export interface Encoder extends EncoderSizes {
  /** linear layers of the blocks, in the order of the forward pass */
  readonly sites: ReadonlyArray<LinearSite>
  /** every parameter of the forward pass, by its name in the backbone */
  readonly parameters: ReadonlyArray<ParameterSpec>
  readonly stack: Stack
  /** name of the token embedding: every checkpoint has it, and its prefix identifies the class that saved the file */
  readonly embedding: string
  /** Computes h₀ [tokens, hidden]. */
  readonly embed: (batch: TokenBatch, weights: Weights) => Tensor2D
  /** blocks in order */
  readonly blocks: ReadonlyArray<EncoderBlock>
  /** Processes the last block's output. */
  readonly finish: (h: Tensor2D, weights: Weights) => Tensor2D
  /** cos and sin of rotary positions, which the forward pass reads in addition to its parameters */
  readonly tables: ReadonlyArray<RotaryTable>
  readonly head: ClassifierHead
  /** class names by index, empty if the checkpoint has none */
  readonly labels: ReadonlyArray<string>
}

/** Tables of cos and sin, each [maxLength, d/2], by their names in `weights`. */
interface RotaryTable {
  readonly cos: string
  readonly sin: string
  readonly make: () => Readonly<Record<"cos" | "sin", HostTensor>>
}

/** Parts of an encoder that a family's `open` returns, from which the others follow. */
export interface EncoderParts
  extends Omit<Encoder, "layers" | "sites" | "parameters" | "stack" | "finish" | "embedding" | "tables"> {
  /** parameters that `embed` reads, the token embedding first */
  readonly embeddings: readonly [ParameterSpec, ...ReadonlyArray<ParameterSpec>]
  /** norm after the last block; null: none */
  readonly finalNorm: Norm | null
  /** rotary positions, which blocks name by index; default: none, positions are learned */
  readonly ropes?: ReadonlyArray<Rope>
}

/** Creates an encoder from its parts. */
export const encoderOf = ({ embeddings, finalNorm, ropes = [], ...parts }: EncoderParts): Encoder => {
  const { blocks, hiddenSize, maxLength } = parts
  const last = finalNorm === null ? [] : normParameters(finalNorm.name, hiddenSize, finalNorm.bias)
  return {
    ...parts,
    layers: blocks.length,
    sites: blocks.flatMap(({ sites }) => sites),
    parameters: [...embeddings, ...blocks.flatMap(({ parameters }) => parameters), ...last],
    stack: {
      // the last block has what `encode` makes of its output, too
      blocks: blocks.map(({ parameters }, i) =>
        [...parameters, ...(i === blocks.length - 1 ? last : [])].map(({ name }) => name)
      ),
      width: hiddenSize,
      sequences: textSequences
    },
    embedding: embeddings[0].name,
    finish: (h, weights) => (finalNorm === null ? h : normalized(h, null, finalNorm, weights)),
    tables: ropes.map((rope, i) => ({
      cos: `rotary.${i}.cos`,
      sin: `rotary.${i}.sin`,
      make: () => rotaryTable(rope, maxLength)
    }))
  }
}

/** The two columns of a pair are turned by one angle, so a table has half a head's. */
const rotaryTable = (rope: Rope, positions: number): Readonly<Record<"cos" | "sin", HostTensor>> => {
  const half = rope.dimensions / 2
  const places = Int32Array.from({ length: positions }, (_, position) => position)
  const rows = rotaryRows(rope).at(places, new Int32Array(positions).fill(positions))
  const halved = (data: Float32Array): HostTensor => ({
    shape: [positions, half],
    data: Float32Array.from({ length: positions * half }, (_, i) => data[2 * half * Math.floor(i / half) + (i % half)]!)
  })
  return { cos: halved(rows.cos), sin: halved(rows.sin) }
}

/** A family of encoders: how its config.json is read, and the names of its parameters. */
export interface Family {
  /** `model_type` of config.json */
  readonly name: string
  /** beginning of transformers' class names: "Bert" of `BertModel` and `BertForSequenceClassification` */
  readonly className: string
  /** prefix of the backbone's names in transformers' classification class */
  readonly prefix: string
  /** adaptable modules of the backbone, for families in which other models use the same prefix; absent: none do */
  readonly modules?: RegExp
  /** modules of the class's head outside of the backbone, which therefore have no prefix */
  readonly outside: ReadonlyArray<string>
  /** modules of the head, as in PEFT's `modules_to_save` */
  readonly headModules: ReadonlyArray<string>
  /** Returns the encoder that a config describes, or all problems of the config. */
  readonly open: (config: unknown) => Result.Result<Encoder, ReadonlyArray<string>>
}

/** Opens a config by a family's schema and builds the encoder from its fields with `read`. */
export const encoderReader = <File>(
  schema: Schema.Codec<File, unknown>,
  read: (file: File) => Normalized<EncoderParts>
): Family["open"] => {
  const parts = configReader(schema, (file) => {
    const { config, problems } = read(file)
    const { hiddenSize, attentionHeads } = config
    const problem = `config.json: hidden size ${hiddenSize} is not a multiple of its ${attentionHeads} attention heads`
    return { config, problems: [...(hiddenSize % attentionHeads === 0 ? [] : [problem]), ...problems] }
  })
  return (config) => Result.map(parts(config), encoderOf)
}

/** Computes the last hidden states [tokens, hidden]. Tensor code. `tables`: returns the encoder's rotary tables; default: `weights`. */
export const encode = (
  encoder: Encoder,
  batch: TokenBatch,
  linear: Linear,
  weights: Weights,
  runBlock: RunBlock = runOnce,
  tables: Weights = weights
): Tensor2D => {
  const { attentionMask } = batch
  const { queries, keys } = segmentsOfPadding(attentionMask)
  const angles = encoder.tables.map(({ cos, sin }) => [cos, sin].map((name) => inBatch(tables(name), batch)))
  const through = (before: Tensor2D, block: EncoderBlock, i: number) => {
    const run = (h: Tensor2D, ...shared: ReadonlyArray<Tensor>) => {
      const after = block.run(h, attends(encoder, block, attentionMask.shape[0], shared), linear, weights)
      // in the last block's run, so that what leaves it is the last hidden state
      return i === encoder.layers - 1 ? encoder.finish(after, weights) : after
    }
    // inputs of the run, since they do not outlive the pass
    return runBlock<[Tensor2D, ...Array<Tensor>]>(
      run,
      before,
      queries,
      keys,
      ...(block.rope === null ? [] : angles[block.rope]!)
    )
  }
  return encoder.blocks.reduce(through, encoder.embed(batch, weights))
}

/** Rows of a rotary table [positions, d/2] for the tokens of a batch: [batch·length, d]. */
const inBatch = (table: Tensor, { inputIds }: TokenBatch): Tensor2D =>
  tf.tidy(() => {
    const [size, length] = inputIds.shape
    const rows = tf.slice(table as Tensor2D, [0, 0], [length, table.shape[1]!])
    return tf.tile(tf.concat([rows, rows], 1), [size, 1])
  })

/** What a block attends: by the segments of queries and keys; cos and sin where it has a `rope`. */
const attends = (
  { attentionHeads: heads }: Encoder,
  { window }: EncoderBlock,
  batch: number,
  [queries, keys, cos, sin]: ReadonlyArray<Tensor>
): Attend => {
  const turned = (x: Tensor2D) =>
    cos === undefined || sin === undefined ? x : rope(x, cos as Tensor2D, sin as Tensor2D)
  const mask = { window, segments: { queries: queries as Tensor1D, keys: keys as Tensor1D } }
  return (q, k, v) => attention({ q: turned(q), k: turned(k), v, batch, heads, mask })
}
