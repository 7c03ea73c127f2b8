/** The decoder families, by `model_type` of config.json. Adding one takes a file and a line here (CONTRIBUTING.md). */
import type { CausalFamily } from "./decoder.ts"
import { gemma2, gemma3, gemma3Text } from "./gemma.ts"
import { gpt2 } from "./gpt2.ts"
import { llama, mistral } from "./llama.ts"
import { phi3 } from "./phi3.ts"
import { qwen2, qwen3 } from "./qwen.ts"

/** Every family of causal language models by `model_type`. */
export const causalFamilies = {
  llama,
  mistral,
  qwen2,
  qwen3,
  gemma2,
  gemma3_text: gemma3Text,
  gemma3,
  phi3,
  gpt2
} as const satisfies Record<string, CausalFamily>
