/**
 * DistilBERT (Sanh et al. 2019): BERT with other names, without token types and without a pre-trained pooler; the classifier's
 * own dense layer is followed by a relu.
 *
 * @see transformers `DistilBertModel`, `DistilBertForSequenceClassification`
 */
import * as Schema from "effect/Schema"
import { ActivationName, activations, Count, Layers, withDefault } from "./config-reader.ts"
import { type BlockNames, Classes, encoderConfigReader, type Family, Labels, labelsInOrder } from "./family.ts"

const DistilBertConfig = Schema.Struct({
  dim: Count,
  n_layers: Layers,
  n_heads: Count,
  hidden_dim: Count,
  vocab_size: Count,
  max_position_embeddings: Count,
  activation: withDefault(ActivationName, "gelu"),
  pad_token_id: Schema.optionalKey(Schema.NullOr(Schema.Int)),
  id2label: Schema.optionalKey(Schema.NullOr(Labels)),
  num_labels: Classes
})

const block = (layer: number): BlockNames => {
  const name = `transformer.layer.${layer}`
  return {
    query: `${name}.attention.q_lin`,
    key: `${name}.attention.k_lin`,
    value: `${name}.attention.v_lin`,
    attentionOutput: `${name}.attention.out_lin`,
    attentionNorm: `${name}.sa_layer_norm`,
    intermediate: `${name}.ffn.lin1`,
    output: `${name}.ffn.lin2`,
    outputNorm: `${name}.output_layer_norm`
  }
}

/** DistilBERT, `model_type: "distilbert"`. */
export const distilbert: Family = {
  name: "distilbert",
  className: "DistilBert",
  prefix: "distilbert.",
  decodeConfig: encoderConfigReader(DistilBertConfig, (file) => ({
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
  })),
  block,
  pooler: {
    dense: "pre_classifier",
    nonlinearity: "relu",
    classifier: "classifier",
    denseIsPretrained: false,
    modules: ["pre_classifier", "classifier"]
  },
  reservedPositions: () => 0,
  positionIds: null
}
