/** AdamW whose moments of a matrix are products of two thin ones (arXiv 2602.24283)   { "kind": "lora-pre", "learningRate": 1e-4 } */
import * as Schema from "effect/Schema"
import { integer, withDefault } from "../fields.ts"
import { type OptimizerFacts, plain } from "./facts.ts"
import { moments, shared } from "./shared.ts"

/** Schema of `optimizer` with `kind: "lora-pre"`. */
export const LoraPreConfig = Schema.Struct({
  kind: Schema.Literal("lora-pre"),
  ...shared,
  rank: integer(
    1,
    256,
    "k, the rank of the products that hold the moments of a matrix [out, in]. Where k(out + in) is no less than out·in, a matrix has Adam's own."
  ).pipe(withDefault(8)),
  ...moments
}).annotate({
  title: "LoRA-Pre",
  description:
    "AdamW whose moments of a matrix are products of two thin ones, for weights that are trained themselves (arXiv 2602.24283)."
})
export type LoraPreConfig = typeof LoraPreConfig.Type

export const loraPreFacts = {
  ...plain,
  label: "LoRA-Pre",
  paper: "2602.24283",
  needs: "nothing"
} satisfies OptimizerFacts<LoraPreConfig>
