/** Transforms of AdamW's section. */
import type { AdamwConfig } from "../../../schemas/index.ts"
import type { Parts } from "../optimizer.ts"
import { adamwParts } from "./transform.ts"

export const parts: Parts<AdamwConfig> = (config, rates) => {
  const { dense, head } = adamwParts(config, rates)
  return { body: dense, head }
}
