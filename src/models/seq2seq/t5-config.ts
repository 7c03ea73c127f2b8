/** What a config.json says about a T5. */
import * as Schema from "effect/Schema"
import { Count, decoderConfigReader, Epsilon, Layers, maybe, type Normalized, withDefault } from "../config-reader.ts"
import type { Buckets } from "./relative-positions.ts"
import type { Seq2SeqSizes } from "./seq2seq-model.ts"

/** Settings of T5, mT5 and UMT5. */
export interface T5Config extends Seq2SeqSizes {
  readonly buckets: Omit<Buckets, "bothWays">
  /** whether each block has its own relative positions; otherwise a stack's blocks share those of the first */
  readonly positionsInEachBlock: boolean
  readonly normEpsilon: number
  readonly activation: "relu" | "tanh" | "silu"
  /** whether the feed-forward layer has two input projections, whose product is its hidden activation */
  readonly gated: boolean
  /** whether the decoder's hidden states are multiplied by 1/√hidden */
  readonly scaled: boolean
}

/** transformers' names of activations that the feed-forward layer may have, by `feed_forward_proj` */
const projections = {
  relu: { gated: false, name: "relu", activation: "relu" },
  "gated-relu": { gated: true, name: "relu", activation: "relu" },
  "gated-gelu": { gated: true, name: "gelu_new", activation: "tanh" },
  "gated-gelu_new": { gated: true, name: "gelu_new", activation: "tanh" },
  "gated-silu": { gated: true, name: "silu", activation: "silu" }
} as const
const ProjectionName = Schema.Literals(["relu", "gated-relu", "gated-gelu", "gated-gelu_new", "gated-silu"])

const Id = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

const fields = {
  d_model: Count,
  d_kv: Count,
  d_ff: Count,
  num_layers: Layers,
  num_decoder_layers: maybe(Layers),
  num_heads: Count,
  vocab_size: Count,
  relative_attention_num_buckets: withDefault(Count, 32),
  relative_attention_max_distance: withDefault(Count, 128),
  layer_norm_epsilon: withDefault(Epsilon, 1e-6),
  dense_act_fn: maybe(Schema.String),
  is_gated_act: maybe(Schema.Boolean),
  is_encoder_decoder: maybe(Schema.Literal(true)),
  pad_token_id: maybe(Id),
  eos_token_id: maybe(Schema.Union([Id, Schema.NonEmptyArray(Id)])),
  decoder_start_token_id: maybe(Id)
} as const
const Shared = Schema.Struct({ ...fields, feed_forward_proj: ProjectionName })

const configOf = (file: typeof Shared.Type, scaled: boolean): Normalized<T5Config> => {
  const { feed_forward_proj: projection, relative_attention_num_buckets: count, vocab_size: rows } = file
  const { gated, name, activation } = projections[projection]
  const maxDistance = file.relative_attention_max_distance
  const eos = file.eos_token_id ?? 1
  const padId = file.pad_token_id ?? 0
  const ids = {
    pad_token_id: padId,
    eos_token_id: typeof eos === "number" ? eos : eos[0],
    decoder_start_token_id: file.decoder_start_token_id ?? padId
  }
  // transformers computes both from feed_forward_proj, and a file that has them has the last word
  const other =
    (file.dense_act_fn != null && file.dense_act_fn !== name) ||
    (file.is_gated_act != null && file.is_gated_act !== gated)
  const problems = [
    ...(other
      ? [
          `dense_act_fn ${JSON.stringify(file.dense_act_fn ?? null)} and is_gated_act ${file.is_gated_act ?? null} are not what feed_forward_proj "${projection}" means (${JSON.stringify(name)}, ${gated})`
        ]
      : []),
    ...(count % 2 === 0 && count >= 4
      ? []
      : [`relative_attention_num_buckets is ${count}; expected an even number of at least 4`]),
    ...(maxDistance > count / 2
      ? []
      : [`relative_attention_max_distance is ${maxDistance}; expected more than half of its ${count} buckets`]),
    ...Object.entries(ids).flatMap(([key, id]) =>
      id < rows ? [] : [`${key} is ${id}; the vocabulary has the ids 0 to ${rows - 1}`]
    )
  ]
  return {
    problems: problems.map((problem) => `config.json: ${problem}`),
    config: {
      hiddenSize: file.d_model,
      layers: file.num_layers,
      decoderLayers: file.num_decoder_layers ?? file.num_layers,
      attentionHeads: file.num_heads,
      headDim: file.d_kv,
      intermediateSize: file.d_ff,
      vocabularySize: rows,
      startId: ids.decoder_start_token_id,
      eosId: ids.eos_token_id,
      padId,
      buckets: { count, maxDistance },
      positionsInEachBlock: false,
      normEpsilon: file.layer_norm_epsilon,
      activation,
      gated,
      scaled
    }
  }
}

const scaleFields = {
  tie_word_embeddings: maybe(Schema.Boolean),
  scale_decoder_outputs: maybe(Schema.Boolean)
} as const
const Scale = Schema.Struct(scaleFields)

/**
 * transformers 4 scaled the output where `tie_word_embeddings` was not false, as it is in T5 v1.1 (which has an output layer of its own);
 * transformers 5 writes true there always, and has a field for the scale.
 */
const isScaled = ({ scale_decoder_outputs: scale, tie_word_embeddings: tied }: typeof Scale.Type): boolean =>
  scale ?? tied !== false

const gated = { ...fields, feed_forward_proj: withDefault(ProjectionName, "gated-gelu") } as const

/** Reads T5's config.json. */
export const readT5 = decoderConfigReader(
  Schema.Struct({ ...fields, ...scaleFields, feed_forward_proj: withDefault(ProjectionName, "relu") }),
  (file) => configOf(file, isScaled(file))
)

/** Reads mT5's config.json. Hidden states are never scaled: transformers 5 does not, and 4 did not for any published mT5. */
export const readMt5 = decoderConfigReader(Schema.Struct(gated), (file) => configOf(file, false))

/** Reads UMT5's config.json. */
export const readUmt5 = decoderConfigReader(Schema.Struct({ ...gated, ...scaleFields }), (file) => {
  const { config, problems } = configOf(file, isScaled(file))
  return { problems, config: { ...config, positionsInEachBlock: true } }
})
