/**
 * Gemma 2 (arXiv 2408.00118) and Gemma 3's text part (arXiv 2503.19786). Both have norms that scale by 1 + γ, also after attention and MLP;
 * embeddings multiplied by √hidden; a scale of the scores that is a field of its own; layers with a window among layers without; an output
 * layer that is the embedding.
 *
 *   Gemma 2   every other layer has a window, beginning with the first; scores and logits are soft-capped
 *   Gemma 3   five layers with a window, whose rotary base is small, for each without one; queries and keys are normalized. `gemma3_text` is
 *             a text model's own config; `gemma3` has it in `text_config`, beside a vision tower that is not read
 *
 * Two facts are not in GGUF files, and llama.cpp knows them by the number of layers: attention is scaled by hidden/heads instead of the
 * head's length in Gemma 2 27B (46 layers) and Gemma 3 27B (62). ggml multiplies norms by what is stored, 1 + γ.
 *
 * @see transformers `Gemma2ForCausalLM`, `Gemma3ForCausalLM`, `Gemma3ForConditionalGeneration`
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { Count, decoderConfigReader, maybe, type Normalized, Positive, withDefault } from "../config-reader.ts"
import type { ConfigSource, GgufArchitecture } from "../gguf/architecture.ts"
import { gatedArchitecture, gatedBlockNames, gatedSizes, queryKeyNormNames, rotaryParameters } from "../gguf/gated.ts"
import type { GatedWriting } from "../gguf/write/gated.ts"
import { encoded } from "../gguf/write/values.ts"
import { oneRope, RopeFile, type RopeOfHead, ropeOf } from "../rope-config.ts"
import type { CausalFamily } from "./decoder.ts"
import { ActivationName, activationOf, type GatedConfig, gatedFields, plainGated, windowed } from "./gated-config.ts"
import { gatedDecoder, gatedFamily } from "./gated-decoder.ts"

const gemmaFields = {
  ...gatedFields,
  query_pre_attn_scalar: withDefault(Positive, 256),
  attn_logit_softcapping: maybe(Positive),
  final_logit_softcapping: maybe(Positive),
  // transformers reads this one, and `hidden_act` not at all
  hidden_activation: withDefault(ActivationName, "gelu_pytorch_tanh"),
  use_bidirectional_attention: maybe(Schema.Literal(false))
} as const

const GemmaFile = Schema.Struct(gemmaFields)

/** transformers' own defaults; null in a config means none */
const [WINDOW, HEAD_DIM] = [4_096, 256]
const [SCORES_CAP, LOGITS_CAP] = [50, 30]

const orDefault = (value: number | null | undefined, byDefault: number): number | null =>
  value === undefined ? byDefault : value

/** What both share; `sliding`: which layers have a window where `layer_types` does not say it. */
const gemmaConfig = (
  file: typeof GemmaFile.Type,
  rope: RopeOfHead,
  sliding: (layer: number) => boolean
): Normalized<GatedConfig> & { readonly sliding: ReadonlyArray<boolean> } => {
  const { config, problems } = plainGated(file, rope, { headDim: HEAD_DIM, tied: true })
  const layers = windowed(file, sliding)
  const window = orDefault(file.sliding_window, WINDOW)
  const biased = file.attention_bias ?? false
  return {
    sliding: layers.sliding,
    problems: [...problems, ...layers.problems],
    config: {
      ...config,
      layers: layers.sliding.map((slides) => ({ window: slides ? window : null, rope: 0 })),
      activation: activationOf(file.hidden_activation),
      bias: { queryKeyValue: biased, attentionOutput: biased, mlp: false },
      attentionScale: 1 / Math.sqrt(file.query_pre_attn_scalar),
      gemma: true
    }
  }
}

/** What GGUF files of both share. */
const gemmaArchitecture = (overrides: Pick<GgufArchitecture, "name" | "config"> & Partial<GgufArchitecture>) =>
  gatedArchitecture({
    undo: (name, shape) =>
      name.endsWith("norm.weight") ? { shape, values: (data) => data.map((value) => value - 1) } : undefined,
    ...overrides,
    inside: {
      ...gatedBlockNames,
      post_attention_norm: "post_attention_layernorm",
      ffn_norm: "pre_feedforward_layernorm",
      post_ffw_norm: "post_feedforward_layernorm",
      ...overrides.inside
    }
  })

interface GemmaWriting extends Pick<GatedWriting, "windows" | "values"> {
  readonly layersOf27B: number
  readonly problems: NonNullable<GatedWriting["problems"]>
}

const gemmaWriting = (architecture: GgufArchitecture, overrides: GemmaWriting): GatedWriting => ({
  architecture,
  activation: "tanh",
  biases: [],
  windows: overrides.windows,
  ...(overrides.values === undefined ? {} : { values: overrides.values }),
  problems: (config) => {
    const { layers, hiddenSize, attentionHeads, headDim, attentionScale } = config
    const divisor = layers.length === overrides.layersOf27B ? hiddenSize / attentionHeads : headDim
    const scale = 1 / Math.sqrt(divisor)
    return [
      ...(Math.abs(attentionScale - scale) < 1e-6 * scale
        ? []
        : [`has query_pre_attn_scalar ${attentionScale ** -2}, where llama.cpp's ${architecture.name} has ${divisor}`]),
      ...overrides.problems(config)
    ]
  },
  // norms scale by 1 + γ
  change: (name) => (name.endsWith("norm.weight") ? (data) => data.map((value) => value + 1) : undefined)
})

/** `layersOf27B`: of the size whose attention is scaled differently. `period`: one layer in this many has no window. */
const gemmaConfigJson = (source: ConfigSource, layersOf27B: number, period: number) => {
  const { fields } = source
  const sizes = gatedSizes(source)
  const layers = Number.isNaN(sizes.num_hidden_layers) ? 0 : sizes.num_hidden_layers
  const is27B = layers === layersOf27B
  return {
    ...sizes,
    hidden_activation: "gelu_pytorch_tanh",
    attention_bias: false,
    query_pre_attn_scalar: is27B ? sizes.hidden_size / sizes.num_attention_heads : sizes.head_dim,
    sliding_window: fields.size("attention.sliding_window"),
    layer_types: layerTypes(source, layers, period),
    final_logit_softcapping: fields.optionalReal("final_logit_softcapping") ?? null
  }
}

/** A file may say which layers have a window: a list of booleans, or another period. */
const layerTypes = ({ fields }: ConfigSource, layers: number, usualPeriod: number): ReadonlyArray<string> => {
  const pattern = fields.value("attention.sliding_window_pattern")
  const period = typeof pattern === "number" && pattern > 0 ? pattern : usualPeriod
  const slides = (layer: number) =>
    Array.isArray(pattern) ? pattern[layer] === true || pattern[layer] === 1 : (layer + 1) % period !== 0
  return Array.from({ length: layers }, (_, layer) => (slides(layer) ? "sliding_attention" : "full_attention"))
}

const gemma2Architecture = gemmaArchitecture({
  name: "gemma2",
  config: (source) => {
    const config = gemmaConfigJson(source, 46, 2)
    return {
      ...config,
      attn_logit_softcapping: source.fields.optionalReal("attn_logit_softcapping") ?? null,
      rope_parameters: rotaryParameters(source, config.head_dim)
    }
  }
})

/** Gemma 2. */
export const gemma2: CausalFamily = gatedFamily(
  "gemma2",
  "Gemma2ForCausalLM",
  decoderConfigReader(Schema.Struct({ ...gemmaFields, rope_parameters: maybe(RopeFile) }), (file) => {
    const { config, problems } = gemmaConfig(file, oneRope(file), (layer) => layer % 2 === 0)
    const attentionSoftcap = orDefault(file.attn_logit_softcapping, SCORES_CAP)
    const softcap = orDefault(file.final_logit_softcapping, LOGITS_CAP)
    return { problems, config: { ...config, attentionSoftcap, softcap } }
  }),
  gemma2Architecture,
  gemmaWriting(gemma2Architecture, {
    windows: (layer) => layer % 2 === 0,
    layersOf27B: 46,
    values: ({ attentionSoftcap, softcap }) => ({
      attn_logit_softcapping: encoded.f32(attentionSoftcap!),
      final_logit_softcapping: encoded.f32(softcap!)
    }),
    problems: ({ attentionSoftcap, softcap }) =>
      attentionSoftcap === null || softcap === null
        ? ["has no caps of scores and logits, which llama.cpp's gemma2 has"]
        : []
  })
)

const Gemma3File = Schema.Struct({
  ...gemmaFields,
  rope_parameters: maybe(Schema.Struct({ full_attention: maybe(RopeFile), sliding_attention: maybe(RopeFile) })),
  rope_local_base_freq: maybe(Positive),
  sliding_window_pattern: maybe(Count),
  _sliding_window_pattern: maybe(Count)
})

/** transformers' own defaults: the rotary bases of layers without a window and of those with one, and the period */
const THETA = { full: 1_000_000, sliding: 10_000 }
const PATTERN = 6

const readGemma3 = decoderConfigReader(Gemma3File, (file) => {
  const { rope_parameters: parameters } = file
  const [theta, local] = [file.rope_theta ?? THETA.full, file.rope_local_base_freq ?? THETA.sliding]
  // a scaling in the old spelling stretches layers without a window alone
  const full =
    parameters == null
      ? ropeOf(file.rope_scaling, theta, "rope_scaling", file)
      : ropeOf(parameters.full_attention, theta, "rope_parameters.full_attention", file)
  const nearOf = ropeOf(parameters?.sliding_attention, local, "rope_parameters.sliding_attention", file)
  const pattern = file.sliding_window_pattern ?? file._sliding_window_pattern ?? PATTERN
  const { config, problems, sliding } = gemmaConfig(file, full, (layer) => (layer + 1) % pattern !== 0)
  const near = nearOf(config.headDim)
  return {
    problems: [...problems, ...near.problems],
    config: {
      ...config,
      ropes: [...config.ropes, near.rope],
      layers: config.layers.map(({ window }, i) => ({ window, rope: sliding[i] === true ? 1 : 0 })),
      queryKeyNorm: true,
      // transformers' class has the field `attn_logit_softcapping` from Gemma 2 and applies it nowhere
      softcap: file.final_logit_softcapping ?? null
    }
  }
})

const gemma3Architecture = gemmaArchitecture({
  name: "gemma3",
  inside: queryKeyNormNames,
  config: (source) => {
    const config = gemmaConfigJson(source, 62, 6)
    const local = source.fields.optionalReal("rope.freq_base_swa") ?? THETA.sliding
    return {
      ...config,
      attn_logit_softcapping: null,
      rope_parameters: {
        full_attention: rotaryParameters(source, config.head_dim),
        sliding_attention: { rope_theta: local, rope_type: "default" }
      }
    }
  }
})

/** The text model of Gemma 3. */
export const gemma3Text: CausalFamily = gatedFamily(
  "gemma3_text",
  "Gemma3ForCausalLM",
  readGemma3,
  gemma3Architecture,
  gemmaWriting(gemma3Architecture, {
    windows: (layer) => (layer + 1) % PATTERN !== 0,
    layersOf27B: 62,
    values: ({ softcap }) => (softcap === null ? {} : { final_logit_softcapping: encoded.f32(softcap) }),
    problems: ({ ropes }) => {
      const near = ropes[1]!
      return near.theta === THETA.sliding && near.scaling === null
        ? []
        : [`has a rotary base of ${near.theta} in layers with a window, where llama.cpp's gemma3 has ${THETA.sliding}`]
    }
  })
)

/** Gemma 3 with a vision tower: transformers 5 names the text part `model.language_model`, older files `language_model.model`. */
export const gemma3: CausalFamily = {
  name: "gemma3",
  className: gemma3Text.className,
  textPart: {
    modelType: gemma3Text.name,
    prefix: "model.",
    config: (config) => (config as { readonly text_config: object }).text_config
  },
  otherPrefixes: ["language_model.model."],
  open: (config) => {
    const text = (config as { readonly text_config?: unknown } | null)?.text_config
    const inside = typeof text === "object" && text !== null ? "text_config." : "text_config: "
    return readGemma3(text).pipe(
      Result.map((settings) => gatedDecoder("gemma3", "model.language_model.", settings)),
      Result.mapError((problems) => problems.map((problem) => problem.replace(/^config\.json: /, `$&${inside}`)))
    )
  },
  gguf: null,
  toGguf: gemma3Text.toGguf
}
