/** AdamW on gradients scaled by the other factor's inverse Gram (arXiv 2402.02347)   { "kind": "riemannian", "learningRate": 5e-4 } */
import * as Schema from "effect/Schema"
import { positive, withDefault } from "../fields.ts"
import { type OptimizerFacts, plain } from "./facts.ts"
import { moments, shared } from "./shared.ts"

/** Schema of `optimizer` with `kind: "riemannian"`. */
export const RiemannianConfig = Schema.Struct({
  kind: Schema.Literal("riemannian"),
  ...shared,
  damping: positive("δ of (Gram + δI)⁻¹.").pipe(withDefault(1e-6)),
  ...moments
}).annotate({
  title: "Riemannian preconditioning",
  description: "AdamW on gradients scaled by the inverse Gram matrix of the other factor (arXiv 2402.02347)."
})
export type RiemannianConfig = typeof RiemannianConfig.Type

export const riemannianFacts = {
  ...plain,
  label: "Riemannian preconditioning",
  paper: "2402.02347",
  needs: "theorem"
} satisfies OptimizerFacts<RiemannianConfig>
