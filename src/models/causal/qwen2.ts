/**
 * Qwen 2 and 2.5 (arXiv 2407.10671): a Llama with biases of queries, keys and values.
 *
 * @see transformers `Qwen2ForCausalLM`
 */
import type { CausalFamily } from "./causal-family.ts"
import { configReader } from "./config-reader.ts"
import { gatedFamily } from "./gated-family.ts"
import { QwenConfig, qwenConfig } from "./qwen.ts"

export const qwen2: CausalFamily = gatedFamily(
  "qwen2",
  configReader(QwenConfig, (file) => {
    const { config, problems } = qwenConfig(file, null)
    return { problems, config: { ...config, bias: { queryKeyValue: true, attentionOutput: false, mlp: false } } }
  })
)
