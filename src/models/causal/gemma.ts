/**
 * What Gemma 2 and 3 share: norms that scale by 1 + γ, also behind attention and MLP; embeddings multiplied by √hidden; a scale of the
 * scores that is a field of its own; soft caps; layers with a window among layers without; an output layer that is the embedding.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { maybe, type Normalized, Positive } from "./config-reader.ts"
import { ActivationName, activationOf, type GatedConfig, gatedFields, plainGated, windowed } from "./gated-config.ts"
import type { RopeOfHead } from "./rope-config.ts"

export const gemmaFields = {
  ...gatedFields,
  query_pre_attn_scalar: Positive.pipe(Schema.withDecodingDefaultKey(Effect.succeed(256))),
  attn_logit_softcapping: maybe(Positive),
  final_logit_softcapping: maybe(Positive),
  // transformers reads this one, and `hidden_act` not at all
  hidden_activation: ActivationName.pipe(Schema.withDecodingDefaultKey(Effect.succeed("gelu_pytorch_tanh" as const))),
  use_bidirectional_attention: maybe(Schema.Literal(false))
} as const

const GemmaFile = Schema.Struct(gemmaFields)

/** transformers' own defaults */
const [WINDOW, HEAD_DIM] = [4_096, 256]

/** What is read of both; `sliding`: which layers have a window where `layer_types` does not say it. */
export const gemmaConfig = (
  file: typeof GemmaFile.Type,
  rope: RopeOfHead,
  sliding: (layer: number) => boolean
): Normalized<GatedConfig> & { readonly sliding: ReadonlyArray<boolean> } => {
  const { config, problems } = plainGated(file, rope, { headDim: HEAD_DIM, tied: true })
  const layers = windowed(file, sliding)
  const window = file.sliding_window === undefined ? WINDOW : file.sliding_window
  const biased = file.attention_bias ?? false
  return {
    sliding: layers.sliding,
    problems: [...problems, ...layers.problems],
    config: {
      ...config,
      layers: layers.sliding.map((own) => ({ window: own ? window : null, rope: 0 })),
      activation: activationOf(file.hidden_activation),
      bias: { queryKeyValue: biased, attentionOutput: biased, mlp: false },
      attentionScale: 1 / Math.sqrt(file.query_pre_attn_scalar),
      gemma: true
    }
  }
}
