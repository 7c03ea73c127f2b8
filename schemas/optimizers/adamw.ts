/** Adam with decoupled weight decay   { "kind": "adamw", "learningRate": 1e-3 } */
import * as Schema from "effect/Schema"
import { type OptimizerFacts, plain } from "./facts.ts"
import { moments, shared } from "./shared.ts"

/** Schema of `optimizer` with `kind: "adamw"`. */
export const AdamwConfig = Schema.Struct({ kind: Schema.Literal("adamw"), ...shared, ...moments }).annotate({
  title: "AdamW",
  description: "Adam with decoupled weight decay."
})
export type AdamwConfig = typeof AdamwConfig.Type

export const adamwFacts = {
  ...plain,
  label: "AdamW",
  paper: "1711.05101",
  needs: "nothing"
} satisfies OptimizerFacts<AdamwConfig>
