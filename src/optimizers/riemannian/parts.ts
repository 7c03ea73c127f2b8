/** Transforms of the section of Riemannian preconditioning. */
import type { RiemannianConfig } from "../../../schemas/index.ts"
import { adamwParts } from "../adamw/transform.ts"
import type { Parts } from "../optimizer.ts"
import { chain } from "../transform.ts"
import { riemannian } from "./transform.ts"

export const parts: Parts<RiemannianConfig> = (config, rates) => {
  const { dense, head } = adamwParts(config, rates)
  return { body: chain(riemannian({ damping: config.damping }), dense), head }
}
