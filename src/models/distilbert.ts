/**
 * DistilBERT (Sanh et al. 2019): BERT with other names, without token types and without a pre-trained pooler; the classifier's
 * own dense layer is followed by a relu.
 *
 * @see transformers `DistilBertModel`, `DistilBertForSequenceClassification`
 */
import * as tf from "@tensorflow/tfjs-core"
import * as Schema from "effect/Schema"
import { bertParts } from "./bert.ts"
import { ActivationName, activations, Count, Layers, maybe, withDefault } from "./config-reader.ts"
import { encoderReader, type Family } from "./encoder.ts"
import { labelFields, labelsInOrder } from "./labels.ts"
import type { BlockNames } from "./transformer-block.ts"

const DistilBertConfig = Schema.Struct({
  dim: Count,
  n_layers: Layers,
  n_heads: Count,
  hidden_dim: Count,
  vocab_size: Count,
  max_position_embeddings: Count,
  activation: withDefault(ActivationName, "gelu"),
  pad_token_id: maybe(Schema.Int),
  ...labelFields
})

const block = (layer: number): BlockNames => {
  const name = `transformer.layer.${layer}`
  return {
    projections: [`${name}.attention.q_lin`, `${name}.attention.k_lin`, `${name}.attention.v_lin`],
    attentionOutput: `${name}.attention.out_lin`,
    attentionNorm: `${name}.sa_layer_norm`,
    inner: `${name}.ffn.lin1`,
    outer: `${name}.ffn.lin2`,
    feedForwardNorm: `${name}.output_layer_norm`
  }
}

const kind = {
  block,
  head: { dense: "pre_classifier", activate: tf.relu, classifier: "classifier", isPretrained: false }
} as const

/** DistilBERT, `model_type: "distilbert"`. */
export const distilbert: Family = {
  name: "distilbert",
  className: "DistilBert",
  prefix: "distilbert.",
  outside: ["pre_classifier", "classifier"],
  headModules: ["pre_classifier", "classifier"],
  open: encoderReader(DistilBertConfig, (file) =>
    bertParts(kind, {
      hiddenSize: file.dim,
      layers: file.n_layers,
      attentionHeads: file.n_heads,
      intermediateSize: file.hidden_dim,
      vocabularySize: file.vocab_size,
      positions: file.max_position_embeddings,
      tokenTypes: 0,
      layerNormEpsilon: 1e-12, // fixed in transformers' class
      activation: activations[file.activation],
      padId: file.pad_token_id ?? 0,
      labels: labelsInOrder(file)
    })
  )
}
