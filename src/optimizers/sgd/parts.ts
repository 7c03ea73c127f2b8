/** Transforms of SGD's section. */
import type { SgdConfig } from "../../../schemas/index.ts"
import type { Parts } from "../optimizer.ts"
import { sgd } from "./transform.ts"

export const parts: Parts<SgdConfig> = ({ momentum, weightDecay }, { body, head }) => ({
  body: sgd({ learningRate: body, momentum, weightDecay }),
  head: sgd({ learningRate: head, momentum, weightDecay })
})
