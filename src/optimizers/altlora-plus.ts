/** What AltLoRA+ in a plan becomes; its equations and its transform: `altlora.ts`, of which it is one with a second moment. */
import type { AltLoraPlusConfig } from "../../schemas/index.ts"
import { altLoraParts, altLoraPlus } from "./altlora.ts"
import type { Parts } from "./optimizer.ts"

export const parts: Parts<AltLoraPlusConfig> = altLoraParts(altLoraPlus)
