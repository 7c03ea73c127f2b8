/**
 * Llama 1 to 3.x (arXiv 2302.13971, 2407.21783), and what is saved as one: SmolLM2, TinyLlama, Yi, …
 *
 * @see transformers `LlamaForCausalLM`
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { CausalFamily } from "./causal-family.ts"
import { configReader, maybe } from "./config-reader.ts"
import { ActivationName, activationOf, gatedFields, plainGated } from "./gated-config.ts"
import { gatedFamily } from "./gated-family.ts"
import { oneRope, RopeFile } from "./rope-config.ts"

const LlamaConfig = Schema.Struct({
  ...gatedFields,
  rope_parameters: maybe(RopeFile),
  mlp_bias: maybe(Schema.Boolean),
  hidden_act: ActivationName.pipe(Schema.withDecodingDefaultKey(Effect.succeed("silu" as const)))
})

export const llama: CausalFamily = gatedFamily(
  "llama",
  configReader(LlamaConfig, (file) => {
    const { config, problems } = plainGated(file, oneRope(file), { headDim: null, tied: false })
    const biased = file.attention_bias ?? false
    return {
      problems,
      config: {
        ...config,
        activation: activationOf(file.hidden_act),
        bias: { queryKeyValue: biased, attentionOutput: biased, mlp: file.mlp_bias ?? false }
      }
    }
  })
)
