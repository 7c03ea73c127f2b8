/**
 * BERT (Devlin et al. 2018; all-MiniLM-L6-v2 and most sentence encoders are one), and what its kin share: post-norm blocks, learned
 * positions that are added to the embeddings, and a classifier over a dense layer on the first token.
 *
 *   h₀ = LN(word + position + type)
 *
 * BERT itself has token types, positions from 0, and a pooler (dense + tanh) that was pre-trained.
 *
 * @see transformers `BertModel`, `BertForSequenceClassification`
 */
import type { Tensor2D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import * as Schema from "effect/Schema"
import {
  type Activation,
  ActivationName,
  activations,
  Count,
  Epsilon,
  Layers,
  maybe,
  type Normalized,
  withDefault
} from "./config-reader.ts"
import { type ClassifierHead, type EncoderParts, encoderReader, type Family } from "./encoder.ts"
import { labelFields, labelsInOrder } from "./labels.ts"
import { type EncoderSizes, normParameters } from "./model.ts"
import { type BlockNames, type Norm, normalized, transformerBlock } from "./transformer-block.ts"

/** Settings of a BERT-like encoder from its config.json, under the same names for all families. */
export interface EncoderConfig extends Omit<EncoderSizes, "maxLength"> {
  /** rows of the position table */
  readonly positions: number
  /** ε of the layer norms */
  readonly layerNormEpsilon: number
  /** activation of the feed-forward part */
  readonly activation: Activation
  /** id of the padding token */
  readonly padId: number
  /** class names by index, empty if the checkpoint has none */
  readonly labels: ReadonlyArray<string>
}

/** What distinguishes a family of BERT's kind. */
interface BertKind {
  readonly block: (layer: number) => BlockNames
  /** the modules and the activation of the classification head */
  readonly head: Pick<ClassifierHead, "activate" | "classifier" | "isPretrained"> & { readonly dense: string }
  /** rows at the start of the position table that no token ever uses */
  readonly reservedPositions?: (config: EncoderConfig) => number
  /** Rows of the position table for token ids [batch, length]; absent: 0, 1, 2, … in every row, padding included. */
  readonly positionIds?: (inputIds: Tensor2D, config: EncoderConfig) => Tensor2D
}

const EMBEDDINGS = {
  word: "embeddings.word_embeddings.weight",
  position: "embeddings.position_embeddings.weight",
  tokenType: "embeddings.token_type_embeddings.weight",
  norm: "embeddings.LayerNorm"
} as const

/** Returns the parts that BERT-like encoders share. */
export const bertParts = (
  { block, head, reservedPositions = () => 0, positionIds }: BertKind,
  config: EncoderConfig
): Normalized<EncoderParts> => {
  const { hiddenSize, vocabularySize, positions, tokenTypes, padId, layerNormEpsilon: epsilon } = config
  const norm: Norm = { name: EMBEDDINGS.norm, epsilon, bias: true }
  const form = { ...config, norms: "after", normEpsilon: epsilon } as const
  const maxLength = positions - reservedPositions(config)
  // where positions begin after the padding id, it decides how many there are
  const problem = `config.json: pad_token_id ${padId} leaves no text any of the ${positions} positions, which begin after it`
  return {
    problems: positionIds === undefined || (padId >= 0 && maxLength > 0) ? [] : [problem],
    config: {
      hiddenSize,
      attentionHeads: config.attentionHeads,
      intermediateSize: config.intermediateSize,
      vocabularySize,
      tokenTypes,
      labels: config.labels,
      maxLength,
      embeddings: [
        { name: EMBEDDINGS.word, shape: [vocabularySize, hiddenSize] },
        { name: EMBEDDINGS.position, shape: [positions, hiddenSize] },
        ...(tokenTypes === 0 ? [] : [{ name: EMBEDDINGS.tokenType, shape: [tokenTypes, hiddenSize] }]),
        ...normParameters(EMBEDDINGS.norm, hiddenSize)
      ],
      embed: ({ inputIds, tokenTypeIds }, weights) =>
        tf.tidy(() => {
          const [size, length] = inputIds.shape
          const rows = (table: string, ids: Tensor2D) => tf.gather(weights(table), ids)
          const word = rows(EMBEDDINGS.word, inputIds) // [batch, length, hidden]
          const position =
            positionIds === undefined
              ? tf.slice(weights(EMBEDDINGS.position), [0, 0], [length, hiddenSize]) // the same for every row of the batch
              : rows(EMBEDDINGS.position, positionIds(inputIds, config))
          const placed = tf.add(word, position)
          const sum = tokenTypes === 0 ? placed : tf.add(placed, rows(EMBEDDINGS.tokenType, tokenTypeIds))
          return normalized(tf.reshape(sum, [size * length, hiddenSize]), null, norm, weights)
        }),
      blocks: Array.from({ length: config.layers }, (_, layer) => ({
        ...transformerBlock(form, block(layer)),
        window: null,
        rope: null
      })),
      finalNorm: null,
      head: {
        ...head,
        over: "first",
        overTokens: "linear",
        dense: { name: head.dense, kind: "dense", out: hiddenSize, in: hiddenSize },
        norm: null
      }
    }
  }
}

/** config.json of BERT and RoBERTa, with transformers' defaults. */
const BertConfig = Schema.Struct({
  hidden_size: Count,
  num_hidden_layers: Layers,
  num_attention_heads: Count,
  intermediate_size: Count,
  vocab_size: Count,
  max_position_embeddings: Count,
  type_vocab_size: withDefault(Count, 2),
  layer_norm_eps: withDefault(Epsilon, 1e-12),
  hidden_act: withDefault(ActivationName, "gelu"),
  pad_token_id: maybe(Schema.Int),
  ...labelFields,
  // other values of these would change the forward pass
  position_embedding_type: Schema.optionalKey(Schema.Literal("absolute")),
  is_decoder: Schema.optionalKey(Schema.Literal(false)),
  add_cross_attention: Schema.optionalKey(Schema.Literal(false))
})

/** Opens a BERT-like config. `padId`: id of the padding token if the file does not name one. */
export const openBert = (kind: BertKind, padId: number): Family["open"] =>
  encoderReader(BertConfig, (file) =>
    bertParts(kind, {
      hiddenSize: file.hidden_size,
      layers: file.num_hidden_layers,
      attentionHeads: file.num_attention_heads,
      intermediateSize: file.intermediate_size,
      vocabularySize: file.vocab_size,
      positions: file.max_position_embeddings,
      tokenTypes: file.type_vocab_size,
      layerNormEpsilon: file.layer_norm_eps,
      activation: activations[file.hidden_act],
      padId: file.pad_token_id ?? padId,
      labels: labelsInOrder(file)
    })
  )

/** Returns the parameter names of a block in BERT's files. */
export const bertBlock = (layer: number): BlockNames => {
  const block = `encoder.layer.${layer}`
  const projection = (name: string) => `${block}.attention.self.${name}`
  return {
    projections: [projection("query"), projection("key"), projection("value")],
    attentionOutput: `${block}.attention.output.dense`,
    attentionNorm: `${block}.attention.output.LayerNorm`,
    inner: `${block}.intermediate.dense`,
    outer: `${block}.output.dense`,
    feedForwardNorm: `${block}.output.LayerNorm`
  }
}

/** Differences of BERT from other BERT-like families. */
export const bertKind: BertKind = {
  block: bertBlock,
  head: { dense: "pooler.dense", activate: tf.tanh, classifier: "classifier", isPretrained: true }
}

/** BERT, `model_type: "bert"`. */
export const bert: Family = {
  name: "bert",
  className: "Bert",
  prefix: "bert.",
  outside: ["classifier"],
  headModules: ["pooler", "classifier"],
  open: openBert(bertKind, 0)
}
