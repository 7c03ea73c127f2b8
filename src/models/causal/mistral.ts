/**
 * Mistral (arXiv 2310.06825): a Llama whose queries see a window of tokens, in every layer.
 *
 * @see transformers `MistralForCausalLM`
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { CausalFamily } from "./causal-family.ts"
import { configReader, maybe } from "./config-reader.ts"
import { ActivationName, activationOf, gatedFields, plainGated } from "./gated-config.ts"
import { gatedFamily } from "./gated-family.ts"
import { oneRope, RopeFile } from "./rope-config.ts"

/** transformers' own, where a config does not name a window; null there means none. */
const WINDOW = 4_096

const MistralConfig = Schema.Struct({
  ...gatedFields,
  rope_parameters: maybe(RopeFile),
  hidden_act: ActivationName.pipe(Schema.withDecodingDefaultKey(Effect.succeed("silu" as const)))
})

export const mistral: CausalFamily = gatedFamily(
  "mistral",
  configReader(MistralConfig, (file) => {
    const { config, problems } = plainGated(file, oneRope(file), { headDim: null, tied: false })
    const window = file.sliding_window === undefined ? WINDOW : file.sliding_window
    return {
      problems,
      config: {
        ...config,
        layers: config.layers.map((layer) => ({ ...layer, window })),
        activation: activationOf(file.hidden_act)
      }
    }
  })
)
