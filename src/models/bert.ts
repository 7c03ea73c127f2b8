/**
 * BERT (Devlin et al. 2018; all-MiniLM-L6-v2 and most sentence encoders are one): the encoder of `encoder.ts` under
 * transformers' names, with token types, positions from 0, and a pooler (dense + tanh on the first token) that was pre-trained.
 *
 * @see transformers `BertModel`, `BertForSequenceClassification`
 */
import * as Schema from "effect/Schema"
import { ActivationName, activations, Count, Epsilon, Layers, withDefault } from "./config-reader.ts"
import { type BlockNames, Classes, encoderConfigReader, type Family, Labels, labelsInOrder } from "./family.ts"

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
  pad_token_id: Schema.optionalKey(Schema.NullOr(Schema.Int)),
  id2label: Schema.optionalKey(Schema.NullOr(Labels)),
  num_labels: Classes,
  // other values of these would change the forward pass
  position_embedding_type: Schema.optionalKey(Schema.Literal("absolute")),
  is_decoder: Schema.optionalKey(Schema.Literal(false)),
  add_cross_attention: Schema.optionalKey(Schema.Literal(false))
})

/** Reads a BERT-like config whose padding id is `padId` unless the file names one. */
export const bertConfigReader = (padId: number) =>
  encoderConfigReader(BertConfig, (file) => ({
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
  }))

export const bertBlock = (layer: number): BlockNames => {
  const block = `encoder.layer.${layer}`
  return {
    query: `${block}.attention.self.query`,
    key: `${block}.attention.self.key`,
    value: `${block}.attention.self.value`,
    attentionOutput: `${block}.attention.output.dense`,
    attentionNorm: `${block}.attention.output.LayerNorm`,
    intermediate: `${block}.intermediate.dense`,
    output: `${block}.output.dense`,
    outputNorm: `${block}.output.LayerNorm`
  }
}

/** BERT, `model_type: "bert"`. */
export const bert: Family = {
  name: "bert",
  className: "Bert",
  prefix: "bert.",
  decodeConfig: bertConfigReader(0),
  block: bertBlock,
  pooler: {
    dense: "pooler.dense",
    nonlinearity: "tanh",
    classifier: "classifier",
    denseIsPretrained: true,
    modules: ["pooler", "classifier"]
  },
  reservedPositions: () => 0,
  positionIds: null
}
