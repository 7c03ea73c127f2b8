/** The decoder families this package knows, by `model_type` of config.json. A new one is a file and a line here. */
import type { CausalFamily } from "./causal-family.ts"
import { gemma2 } from "./gemma2.ts"
import { gemma3, gemma3Text } from "./gemma3.ts"
import { gpt2 } from "./gpt2.ts"
import { llama } from "./llama.ts"
import { mistral } from "./mistral.ts"
import { phi3 } from "./phi3.ts"
import { qwen2 } from "./qwen2.ts"
import { qwen3 } from "./qwen3.ts"

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

export type CausalFamilyName = keyof typeof causalFamilies
