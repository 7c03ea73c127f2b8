/** What AltLoRA in a plan becomes. */
import type { AltLoraConfig } from "../../../schemas/index.ts"
import { altLora, altLoraParts } from "../altlora.ts"
import type { Parts } from "../optimizer.ts"

export const parts: Parts<AltLoraConfig> = altLoraParts(altLora)
