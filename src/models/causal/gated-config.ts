/**
 * What a config says about a decoder of the Llama kind, in one spelling for all families, and the fields of config.json that they share.
 */
import * as Schema from "effect/Schema"
import type { GeluForm } from "../../kernels/index.ts"
import { Count, Epsilon, Layers, maybe, type Normalized, Positive, withDefault } from "../config-reader.ts"
import { oneRope, RopeFile, type RopeOfHead, reachOf } from "../rope-config.ts"
import type { Rope } from "../rotary-rows.ts"
import type { DecoderSizes } from "./decoder.ts"

interface GatedLayer {
  /** tokens that a query sees, itself included; null: all before it */
  readonly window: number | null
  /** which of `ropes` */
  readonly rope: number
}

/** Settings of a decoder with gated feed-forward parts. */
export interface GatedConfig extends Omit<DecoderSizes, "layers"> {
  readonly layers: ReadonlyArray<GatedLayer>
  readonly ropes: ReadonlyArray<Rope>
  readonly normEpsilon: number
  readonly tied: boolean
  readonly activation: "silu" | GeluForm
  readonly bias: { readonly queryKeyValue: boolean; readonly attentionOutput: boolean; readonly mlp: boolean }
  /** whether queries and keys are normalized, each head separately */
  readonly queryKeyNorm: boolean
  /** whether there is one projection for queries, keys and values, and one for gate and up */
  readonly fused: boolean
  readonly attentionScale: number
  readonly attentionSoftcap: number | null
  readonly softcap: number | null
  /**
   * whether the decoder is Gemma's: norms scale by 1 + γ, the outputs of attention and MLP are normalized too, and embeddings are multiplied by
   * √hidden
   */
  readonly gemma: boolean
}

/** Fields of config.json that all of these families have. */
export const gatedFields = {
  hidden_size: Count,
  num_hidden_layers: Layers,
  num_attention_heads: Count,
  num_key_value_heads: maybe(Count),
  head_dim: maybe(Count),
  intermediate_size: Count,
  vocab_size: Count,
  max_position_embeddings: Count,
  rms_norm_eps: maybe(Epsilon),
  tie_word_embeddings: maybe(Schema.Boolean),
  rope_theta: maybe(Positive),
  rope_scaling: maybe(RopeFile),
  partial_rotary_factor: maybe(Positive),
  original_max_position_embeddings: maybe(Count),
  layer_types: maybe(Schema.Array(Schema.Literals(["full_attention", "sliding_attention"]))),
  sliding_window: maybe(Count),
  attention_bias: maybe(Schema.Boolean)
} as const
const Gated = Schema.Struct(gatedFields)

const activations = {
  silu: "silu",
  swish: "silu",
  gelu: "erf",
  gelu_new: "tanh",
  gelu_pytorch_tanh: "tanh"
} as const satisfies Record<string, GatedConfig["activation"]>

/** Name of an activation, as in transformers' configs. */
export const ActivationName = Schema.Literals(["silu", "swish", "gelu", "gelu_new", "gelu_pytorch_tanh"])
/** Returns the activation of a name. */
export const activationOf = (name: keyof typeof activations): GatedConfig["activation"] => activations[name]

type GatedFile = Schema.Schema.Type<typeof Gated>

/** The sizes, with a family's own head dimension where the file names none; null: hidden / heads. */
const sizesOf = (
  file: GatedFile,
  defaultHeadDim: number | null
): { readonly sizes: Omit<DecoderSizes, "layers">; readonly problems: ReadonlyArray<string> } => {
  const { hidden_size: hiddenSize, num_attention_heads: heads } = file
  const keyValueHeads = file.num_key_value_heads ?? heads
  const headDim = file.head_dim ?? defaultHeadDim ?? Math.floor(hiddenSize / heads)
  const problems = [
    ...(file.head_dim == null && defaultHeadDim === null && hiddenSize % heads !== 0
      ? [`config.json: hidden_size ${hiddenSize} is not a multiple of its ${heads} attention heads`]
      : []),
    ...(heads % keyValueHeads === 0
      ? []
      : [`config.json: num_attention_heads ${heads} is not a multiple of num_key_value_heads ${keyValueHeads}`]),
    ...(headDim % 2 === 0 ? [] : [`config.json: head_dim ${headDim} is odd; rotary positions need an even number`])
  ]
  const sizes = {
    hiddenSize,
    attentionHeads: heads,
    keyValueHeads,
    headDim,
    intermediateSize: file.intermediate_size,
    vocabularySize: file.vocab_size,
    maxLength: file.max_position_embeddings
  }
  return { sizes, problems }
}

/** Returns the window of each layer, from the layers that the file lists or the family's default. */
export const windowed = (
  file: Pick<GatedFile, "layer_types" | "num_hidden_layers">,
  byDefault: (layer: number) => boolean
): { readonly sliding: ReadonlyArray<boolean>; readonly problems: ReadonlyArray<string> } => {
  const { layer_types: types, num_hidden_layers: layers } = file
  const sliding = Array.from({ length: layers }, (_, i) =>
    types == null ? byDefault(i) : types[i] === "sliding_attention"
  )
  const wrong = `config.json: layer_types has ${types?.length} entries for ${layers} layers`
  return { sliding, problems: types == null || types.length === layers ? [] : [wrong] }
}

interface Defaults {
  /** null: hidden / heads */
  readonly headDim: number | null
  readonly tied: boolean
}

/** Returns the settings of the first Llama in these sizes: no biases, windows or caps, SiLU. Families override what differs. */
export const plainGated = (file: GatedFile, ropeOfHead: RopeOfHead, defaults: Defaults): Normalized<GatedConfig> => {
  const { sizes, problems } = sizesOf(file, defaults.headDim)
  const rope = ropeOfHead(sizes.headDim)
  return {
    problems: [...problems, ...rope.problems],
    config: {
      ...sizes,
      maxLength: Math.max(sizes.maxLength, reachOf(rope.rope)),
      layers: Array.from({ length: file.num_hidden_layers }, () => ({ window: null, rope: 0 })),
      ropes: [rope.rope],
      normEpsilon: file.rms_norm_eps ?? 1e-6,
      tied: file.tie_word_embeddings ?? defaults.tied,
      activation: "silu",
      bias: { queryKeyValue: false, attentionOutput: false, mlp: false },
      queryKeyNorm: false,
      fused: false,
      attentionScale: 1 / Math.sqrt(sizes.headDim),
      attentionSoftcap: null,
      softcap: null,
      gemma: false
    }
  }
}

/** Fields of config.json that Llama and similar families have. */
export const llamaFields = {
  ...gatedFields,
  rope_parameters: maybe(RopeFile),
  hidden_act: withDefault(ActivationName, "silu")
} as const
const LlamaLike = Schema.Struct(llamaFields)

/** Normalizes the config of a Llama-like family. `headDim`: width of a head if the file does not name it; null: hidden / heads. */
export const llamaLike = (file: typeof LlamaLike.Type, headDim: number | null = null): Normalized<GatedConfig> => {
  const { config, problems } = plainGated(file, oneRope(file), { headDim, tied: false })
  return { problems, config: { ...config, activation: activationOf(file.hidden_act) } }
}
