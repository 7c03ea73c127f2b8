/**
 * Gemma 3 (arXiv 2503.19786), its text part: five layers with a window, whose rotary base is small, for each without one; queries and
 * keys are normalized. `gemma3_text` is a text model's own config; `gemma3` has it in `text_config`, beside a vision tower that is not
 * read.
 *
 * @see transformers `Gemma3ForCausalLM`, `Gemma3ForConditionalGeneration`
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { Count } from "../encoder-config.ts"
import type { CausalFamily } from "./causal-family.ts"
import { configReader, maybe, Positive } from "./config-reader.ts"
import { gatedDecoder } from "./gated-decoder.ts"
import { gatedFamily } from "./gated-family.ts"
import { gemmaConfig, gemmaFields } from "./gemma.ts"
import { RopeFile, ropeOf } from "./rope-config.ts"

const Gemma3Config = Schema.Struct({
  ...gemmaFields,
  rope_parameters: maybe(Schema.Struct({ full_attention: maybe(RopeFile), sliding_attention: maybe(RopeFile) })),
  rope_local_base_freq: maybe(Positive),
  sliding_window_pattern: maybe(Count),
  _sliding_window_pattern: maybe(Count)
})

/** transformers' own defaults: of layers without a window, and of those with one */
const THETA = { full: 1_000_000, sliding: 10_000 }
const PATTERN = 6

const read = configReader(Gemma3Config, (file) => {
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

export const gemma3Text: CausalFamily = gatedFamily("gemma3_text", read)

/** With a vision tower: transformers 5 names the text part `model.language_model`, files from before `language_model.model`. */
export const gemma3: CausalFamily = {
  name: "gemma3",
  otherPrefixes: ["language_model.model."],
  open: (config) => {
    const text = (config as { readonly text_config?: unknown } | null)?.text_config
    const inside = typeof text === "object" && text !== null ? "text_config." : "text_config: "
    return read(text).pipe(
      Result.map((own) => gatedDecoder("gemma3", "model.language_model.", own)),
      Result.mapError((problems) => problems.map((problem) => problem.replace(/^config\.json: /, `$&${inside}`)))
    )
  }
}
