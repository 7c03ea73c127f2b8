/**
 * ModernBERT (Warner et al., arXiv 2412.13663): norms before, rotary positions, gated feed-forward parts, no biases. Every third block's
 * tokens attend their whole text, those of the others 64 tokens to either side, with another θ. The first block has no norm before
 * attention, since the embeddings are normalized already.
 *
 * The head of transformers' class is that of its masked language model with another last layer: a dense layer, GELU and a norm, which a
 * published checkpoint has trained.
 *
 * @see transformers `ModernBertModel`, `ModernBertForSequenceClassification`
 */
import type { Tensor2D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import * as Schema from "effect/Schema"
import { ActivationName, activations, Count, Epsilon, Layers, maybe, Positive, withDefault } from "./config-reader.ts"
import { encoderReader, type Family } from "./encoder.ts"
import { labelFields, labelsInOrder } from "./labels.ts"
import { normParameters } from "./model.ts"
import { RopeFile, ropeOf } from "./rope-config.ts"
import { rotaryRows } from "./rotary-rows.ts"
import { type BlockNames, type Norm, nonlinear, normalized, transformerBlock } from "./transformer-block.ts"

/** A table of cos and sin has a row for each position, so a config that asks for a billion is refused. */
const Positions = Count.check(Schema.isLessThanOrEqualTo(131_072))
const LayerType = Schema.Literals(["full_attention", "sliding_attention"])

const ModernBertConfig = Schema.Struct({
  hidden_size: withDefault(Count, 768),
  num_hidden_layers: withDefault(Layers, 22),
  num_attention_heads: withDefault(Count, 12),
  intermediate_size: withDefault(Count, 1152),
  vocab_size: withDefault(Count, 50_368),
  max_position_embeddings: withDefault(Positions, 8192),
  hidden_activation: withDefault(ActivationName, "gelu"),
  norm_eps: withDefault(Epsilon, 1e-5),
  norm_bias: withDefault(Schema.Boolean, false),
  attention_bias: withDefault(Schema.Boolean, false),
  mlp_bias: withDefault(Schema.Boolean, false),
  local_attention: withDefault(Count, 128),
  // today's spelling, and that of the first checkpoints
  layer_types: maybe(Schema.Array(LayerType)),
  global_attn_every_n_layers: withDefault(Count, 3),
  rope_parameters: maybe(Schema.Struct({ full_attention: maybe(RopeFile), sliding_attention: maybe(RopeFile) })),
  rope_scaling: Schema.optionalKey(Schema.Null),
  global_rope_theta: withDefault(Positive, 160_000),
  local_rope_theta: withDefault(Positive, 10_000),
  classifier_pooling: withDefault(Schema.Literals(["cls", "mean"]), "cls"),
  classifier_bias: withDefault(Schema.Boolean, false),
  classifier_activation: withDefault(ActivationName, "gelu"),
  ...labelFields
})
type ModernBertFile = typeof ModernBertConfig.Type

const TOKENS = "embeddings.tok_embeddings.weight"

const blockNames = (layer: number): BlockNames => {
  const block = `layers.${layer}`
  return {
    projections: [`${block}.attn.Wqkv`],
    attentionOutput: `${block}.attn.Wo`,
    attentionNorm: layer === 0 ? null : `${block}.attn_norm`,
    inner: `${block}.mlp.Wi`,
    outer: `${block}.mlp.Wo`,
    feedForwardNorm: `${block}.mlp_norm`
  }
}

/** Which blocks have a window. */
const windowedLayers = ({ layer_types, num_hidden_layers, global_attn_every_n_layers }: ModernBertFile) =>
  Array.from({ length: num_hidden_layers }, (_, i) =>
    layer_types == null ? i % global_attn_every_n_layers !== 0 : layer_types[i] === "sliding_attention"
  )

/** The rotary positions of blocks without a window, and of those with one. */
const ropesOf = (file: ModernBertFile) => {
  const { max_position_embeddings: positions, rope_parameters: parameters } = file
  const ropes = (["full_attention", "sliding_attention"] as const).map((type) => {
    const theta = type === "full_attention" ? file.global_rope_theta : file.local_rope_theta
    const where = `rope_parameters.${type}`
    const { rope, problems } = ropeOf(parameters?.[type], theta, where, { max_position_embeddings: positions })(
      Math.floor(file.hidden_size / file.num_attention_heads)
    )
    const rows = rotaryRows(rope)
    // no published encoder has one, and its tables would depend on each text's length
    const varies = rows.classOf(1) !== rows.classOf(positions)
    const varying = `config.json: ${where}: its frequencies change with the length of a text, which is not supported in an encoder`
    return { rope, problems: varies ? [...problems, varying] : problems }
  })
  return { ropes: ropes.map(({ rope }) => rope), problems: ropes.flatMap(({ problems }) => problems) }
}

/** ModernBERT, `model_type: "modernbert"`. */
export const modernbert: Family = {
  name: "modernbert",
  className: "ModernBert",
  prefix: "model.",
  modules: /^layers\.\d+\.(attn|mlp)\.W/,
  outside: ["head", "classifier"],
  headModules: ["head", "classifier"],
  open: encoderReader(ModernBertConfig, (file) => {
    const { hidden_size: hiddenSize, num_attention_heads: attentionHeads, vocab_size: vocabularySize } = file
    const norm = (name: string): Norm => ({ name, epsilon: file.norm_eps, bias: file.norm_bias })
    const form = {
      norms: "before",
      hiddenSize,
      intermediateSize: file.intermediate_size,
      normEpsilon: file.norm_eps,
      activation: activations[file.hidden_activation],
      gated: true,
      bias: {
        projection: file.attention_bias,
        attentionOutput: file.attention_bias,
        feedForward: file.mlp_bias,
        norm: file.norm_bias
      }
    } as const
    const { ropes, problems } = ropesOf(file)
    const layers = file.layer_types?.length ?? file.num_hidden_layers
    const miscounted = `config.json: layer_types has ${layers} entries for ${file.num_hidden_layers} layers`
    const odd = `config.json: hidden_size ${hiddenSize} over ${attentionHeads} heads is odd; rotary positions need an even number`
    return {
      problems: [
        ...problems,
        ...(layers === file.num_hidden_layers ? [] : [miscounted]),
        ...((hiddenSize / attentionHeads) % 2 === 1 ? [odd] : [])
      ],
      config: {
        hiddenSize,
        attentionHeads,
        vocabularySize,
        // what is activated, and its factor
        intermediateSize: 2 * file.intermediate_size,
        tokenTypes: 0,
        maxLength: file.max_position_embeddings,
        labels: labelsInOrder(file),
        embeddings: [
          { name: TOKENS, shape: [vocabularySize, hiddenSize] },
          ...normParameters("embeddings.norm", hiddenSize, file.norm_bias)
        ],
        embed: ({ inputIds }, weights) =>
          tf.tidy(() => {
            const rows = tf.gather(weights(TOKENS) as Tensor2D, tf.reshape<tf.Rank.R1>(inputIds, [inputIds.size]))
            return normalized(rows, null, norm("embeddings.norm"), weights)
          }),
        blocks: windowedLayers(file).map((isWindowed, layer) => ({
          ...transformerBlock(form, blockNames(layer)),
          window: isWindowed ? Math.floor(file.local_attention / 2) + 1 : null,
          rope: isWindowed ? 1 : 0
        })),
        finalNorm: norm("final_norm"),
        ropes,
        head: {
          over: file.classifier_pooling === "cls" ? "first" : "mean",
          dense: {
            name: "head.dense",
            kind: "dense",
            out: hiddenSize,
            in: hiddenSize,
            ...(file.classifier_bias ? {} : { bias: false })
          },
          activate: (x) => nonlinear(x, activations[file.classifier_activation]),
          norm: norm("head.norm"),
          classifier: "classifier",
          overTokens: "same",
          isPretrained: true
        }
      }
    }
  })
}
