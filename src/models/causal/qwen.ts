/**
 * Qwen 2 and 2.5 (arXiv 2407.10671): a Llama with biases of queries, keys and values. Qwen 3 (arXiv 2505.09388): a Llama that normalizes
 * each head of its queries and keys.
 *
 * The layers from `max_window_layers` on have a window, where `use_sliding_window` says so. (Those from that number on, not those before
 * it: so transformers reads it.)
 *
 * @see transformers `Qwen2ForCausalLM`, `Qwen3ForCausalLM`
 */
import * as Schema from "effect/Schema"
import { decoderConfigReader, maybe, type Normalized } from "../config-reader.ts"
import { gatedArchitecture, gatedBlockNames, gatedConfigJson, queryKeyNormNames } from "../gguf/gated.ts"
import type { CausalFamily } from "./decoder.ts"
import { type GatedConfig, llamaFields, llamaLike, windowed } from "./gated-config.ts"
import { gatedFamily } from "./gated-decoder.ts"

const QwenFile = Schema.Struct({
  ...llamaFields,
  use_sliding_window: maybe(Schema.Boolean),
  max_window_layers: maybe(Schema.Int)
})

/** transformers' own defaults */
const [WINDOW, MAX_WINDOW_LAYERS, QWEN3_HEAD_DIM] = [4_096, 28, 128]

/** What both share; biases, q/k norms and the head dimension differ. */
const qwenConfig = (file: typeof QwenFile.Type, headDim: number | null): Normalized<GatedConfig> => {
  const { config, problems } = llamaLike(file, headDim)
  const { sliding, problems: ofLayers } = windowed(file, (i) => i >= (file.max_window_layers ?? MAX_WINDOW_LAYERS))
  const slidingWindow = file.sliding_window === undefined ? WINDOW : file.sliding_window
  const window = file.use_sliding_window === true ? slidingWindow : null
  return {
    problems: [...problems, ...ofLayers],
    config: { ...config, layers: sliding.map((windowed) => ({ window: windowed ? window : null, rope: 0 })) }
  }
}

/** GGUF files of Qwen have no windows. */
const WITHOUT_WINDOW = { use_sliding_window: false, sliding_window: null }

const NOWHERE = () => false

const qwen2Architecture = gatedArchitecture({
  name: "qwen2",
  config: (source) => ({ ...gatedConfigJson(source), ...WITHOUT_WINDOW })
})

const qwen3Architecture = gatedArchitecture({
  name: "qwen3",
  inside: { ...gatedBlockNames, ...queryKeyNormNames },
  config: (source) => ({
    ...gatedConfigJson(source),
    attention_bias: false,
    ...WITHOUT_WINDOW
  })
})

/** Qwen 2 and 2.5. */
export const qwen2: CausalFamily = gatedFamily(
  "qwen2",
  "Qwen2ForCausalLM",
  decoderConfigReader(QwenFile, (file) => {
    const { config, problems } = qwenConfig(file, null)
    return { problems, config: { ...config, bias: { queryKeyValue: true, attentionOutput: false, mlp: false } } }
  }),
  qwen2Architecture,
  { architecture: qwen2Architecture, activation: "silu", biases: ["queryKeyValue"], windows: NOWHERE }
)

/** Qwen 3. */
export const qwen3: CausalFamily = gatedFamily(
  "qwen3",
  "Qwen3ForCausalLM",
  decoderConfigReader(QwenFile, (file) => {
    const { config, problems } = qwenConfig(file, QWEN3_HEAD_DIM)
    const biased = file.attention_bias ?? false
    const bias = { queryKeyValue: biased, attentionOutput: biased, mlp: false }
    return { problems, config: { ...config, queryKeyNorm: true, bias } }
  }),
  qwen3Architecture,
  { architecture: qwen3Architecture, activation: "silu", biases: [], windows: NOWHERE }
)
