/** What AltLoRA+ in a plan becomes. */
import type { AltLoraPlusConfig } from "../../../schemas/index.ts"
import { altLoraParts, altLoraPlus } from "../altlora.ts"
import type { Parts } from "../optimizer.ts"

export const parts: Parts<AltLoraPlusConfig> = altLoraParts(altLoraPlus)
