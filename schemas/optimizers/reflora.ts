/**
 * Factors split as evenly as their product allows, then AdamW (arXiv 2505.18877)   { "kind": "reflora", "learningRate": 1e-3 }
 *
 *   form     "full": gradients of the split by a geometric mean of Grams · "scalar": both factors are made equally long after each step
 *   warmup   the share of the steps that are plain AdamW's; warmupSteps: their number
 */
import * as Schema from "effect/Schema"
import { belowOne, choice, count, nonNegative, withDefault } from "../fields.ts"
import { type OptimizerFacts, plain } from "./facts.ts"
import { moments, shared } from "./shared.ts"

/** Schema of `optimizer` with `kind: "reflora"`. */
export const RefloraConfig = Schema.Struct({
  kind: Schema.Literal("reflora"),
  ...shared,
  form: choice(
    ["full", "scalar"],
    "full: gradients as the most even split of BA would have them; scalar: after each step A and B are scaled to one norm, and their moments with them."
  ).pipe(withDefault("full")),
  warmup: Schema.optionalKey(
    belowOne(
      "Share of the steps that are plain AdamW's. Not with warmupSteps. Neither: 100 steps, a tenth of a shorter run."
    )
  ),
  warmupSteps: Schema.optionalKey(count(0, "Steps that are plain AdamW's. Not with warmup.", "steps")),
  damping: nonNegative(
    "δ of the full form: added to the eigenvalues of AAᵀ and to the squared singular values of BA."
  ).pipe(withDefault(1e-8)),
  ...moments
}).annotate({
  title: "RefLoRA",
  description: "AdamW on factors that are split as evenly as their product allows (arXiv 2505.18877)."
})
export type RefloraConfig = typeof RefloraConfig.Type

export const refloraFacts = {
  ...plain,
  label: "RefLoRA",
  paper: "2505.18877",
  needs: "theorem",
  title: ({ form }) => (form === "full" ? "RefLoRA" : "RefLoRA-S"),
  rules: [
    {
      name: "even-split-begins-once",
      field: "warmup",
      problem: ({ warmup, warmupSteps }) =>
        warmup !== undefined && warmupSteps !== undefined
          ? `found both warmup (${warmup}) and warmupSteps (${warmupSteps}); expected at most one of the two`
          : undefined
    }
  ]
} satisfies OptimizerFacts<RefloraConfig>
