/** Transforms of Lion's section. */
import type { LionConfig } from "../../../schemas/index.ts"
import type { Parts } from "../optimizer.ts"
import { lion } from "./transform.ts"

export const parts: Parts<LionConfig> = ({ betas: [b1, b2], weightDecay }, { body, head }) => ({
  body: lion({ b1, b2, weightDecay, learningRate: body }),
  head: lion({ b1, b2, weightDecay, learningRate: head })
})
