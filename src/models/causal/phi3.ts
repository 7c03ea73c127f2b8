/**
 * Phi-3 and Phi-4 (arXiv 2404.14219): a Llama with one projection for queries, keys and values, and one for gate and up; an optional
 * window. Long contexts are LongRoPE's, which older files call "su" or "yarn"; Phi-4-mini turns three quarters of a head's columns.
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
  hidden_act: ActivationName.pipe(Schema.withDecodingDefaultKey(Effect.succeed("silu" as const)))
})

/** transformers' own, where a config names none */
const ORIGINAL = 4_096

type Phi3Rope = typeof RopeFile.Type | null | undefined

const longRope = (rope: Phi3Rope): Phi3Rope =>
  rope != null && ["su", "yarn"].includes(rope.rope_type ?? rope.type ?? "") ? { ...rope, rope_type: "longrope" } : rope

const phi3Rope = ({ rope_parameters, rope_scaling, ...file }: typeof Phi3Config.Type) =>
  oneRope({
    ...file,
    rope_parameters: longRope(rope_parameters),
    rope_scaling: longRope(rope_scaling),
    original_max_position_embeddings:
      file.original_max_position_embeddings ??
      (rope_parameters ?? rope_scaling)?.original_max_position_embeddings ??
      ORIGINAL
  })

export const phi3: CausalFamily = gatedFamily(
  "phi3",
  configReader(Phi3Config, (file) => {
    const { config, problems } = plainGated({ ...file, rms_norm_eps: file.rms_norm_eps ?? 1e-5 }, phi3Rope(file), {
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
