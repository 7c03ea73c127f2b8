/** DoRA as PEFT 0.21 stores it: LoRA's tensors, and `lora_magnitude_vector` [out]. */
import type { DoraOptions } from "../../../adapters/index.ts"
import type { DoraConfig } from "../../../schemas/index.ts"
import type { PeftFormat } from "./format.ts"
import { factorConfig, factorShapes, restoredPair, storedFactors } from "./lora.ts"

const MAGNITUDE = "lora_magnitude_vector"

export const doraFormat: PeftFormat<DoraConfig, DoraOptions> = {
  shapes: (part) => ({ ...factorShapes(part), [MAGNITUDE]: [part.site.out] }),
  stored: (part) => ({ ...storedFactors(part), [MAGNITUDE]: part.part.dense[0]!.value }),
  restored: (part, stored) => ({
    pairs: [restoredPair(part, stored)],
    dense: [{ ...part.part.dense[0]!, value: stored[MAGNITUDE]! }]
  }),
  config: (source) => ({ ...factorConfig(source.config, source.sites, source), use_dora: true })
}
