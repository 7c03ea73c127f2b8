/**
 * Qwen 3 (arXiv 2505.09388): a Llama that normalizes each head of its queries and keys.
 *
 * @see transformers `Qwen3ForCausalLM`
 */
import type { CausalFamily } from "./causal-family.ts"
import { configReader } from "./config-reader.ts"
import { gatedFamily } from "./gated-family.ts"
import { QwenConfig, qwenConfig } from "./qwen.ts"

/** transformers' own, where a config names none */
const HEAD_DIM = 128

export const qwen3: CausalFamily = gatedFamily(
  "qwen3",
  configReader(QwenConfig, (file) => {
    const { config, problems } = qwenConfig(file, HEAD_DIM)
    const biased = file.attention_bias ?? false
    return {
      problems,
      config: { ...config, queryKeyNorm: true, bias: { queryKeyValue: biased, attentionOutput: biased, mlp: false } }
    }
  })
)
