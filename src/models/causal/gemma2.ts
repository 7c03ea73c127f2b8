/**
 * Gemma 2 (arXiv 2408.00118): every other layer has a window, beginning with the first; scores and logits are soft-capped.
 *
 * @see transformers `Gemma2ForCausalLM`
 */
import * as Schema from "effect/Schema"
import type { CausalFamily } from "./causal-family.ts"
import { configReader, maybe } from "./config-reader.ts"
import { gatedFamily } from "./gated-family.ts"
import { gemmaConfig, gemmaFields } from "./gemma.ts"
import { oneRope, RopeFile } from "./rope-config.ts"

const Gemma2Config = Schema.Struct({ ...gemmaFields, rope_parameters: maybe(RopeFile) })

/** transformers' own, where a config names none; null there means none */
const [OF_SCORES, OF_LOGITS] = [50, 30]

const orDefault = (cap: number | null | undefined, byDefault: number): number | null =>
  cap === undefined ? byDefault : cap

export const gemma2: CausalFamily = gatedFamily(
  "gemma2",
  configReader(Gemma2Config, (file) => {
    const { config, problems } = gemmaConfig(file, oneRope(file), (layer) => layer % 2 === 0)
    return {
      problems,
      config: {
        ...config,
        attentionSoftcap: orDefault(file.attn_logit_softcapping, OF_SCORES),
        softcap: orDefault(file.final_logit_softcapping, OF_LOGITS)
      }
    }
  })
)
