/**
 * Phi-3 and Phi-4 (arXiv 2404.14219): a Llama with one projection for queries, keys and values, and one for gate and up; an optional
 * window. The long-context variants ("longrope", partial rotary positions) are refused.
 *
 * @see transformers `Phi3ForCausalLM`
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { CausalFamily } from "./causal-family.ts"
import { configReader, maybe } from "./config-reader.ts"
import { ActivationName, activationOf, gatedFields, plainGated } from "./gated-config.ts"
import { gatedFamily } from "./gated-family.ts"
import { oneRope, RopeFile } from "./rope-config.ts"

const Phi3Config = Schema.Struct({
  ...gatedFields,
  rope_parameters: maybe(RopeFile),
  partial_rotary_factor: maybe(Schema.Literal(1)),
  hidden_act: ActivationName.pipe(Schema.withDecodingDefaultKey(Effect.succeed("silu" as const)))
})

export const phi3: CausalFamily = gatedFamily(
  "phi3",
  configReader(Phi3Config, (file) => {
    const { config, problems } = plainGated({ ...file, rms_norm_eps: file.rms_norm_eps ?? 1e-5 }, oneRope(file), {
      headDim: null,
      tied: false
    })
    const window = file.sliding_window ?? null
    return {
      problems,
      config: {
        ...config,
        layers: config.layers.map((layer) => ({ ...layer, window })),
        activation: activationOf(file.hidden_act),
        fused: true
      }
    }
  })
)
