/**
 * (A, B) moved so that BA follows full fine-tuning (arXiv 2407.18242)   { "kind": "lora-pro", "learningRate": 1e-4 }
 *
 *   form     "full": Adam on the equivalent gradient · "efficient": Adam on the factors' adjusted gradients · "sgd": neither
 *   moments  "invariant" (ours, of "efficient"): neither the size nor the basis of the factors decides
 *            "factored" (ours, of "full"): products, not a number for each number of W
 */
import * as Schema from "effect/Schema"
import { choice, nonNegative, withDefault } from "../fields.ts"
import { type OptimizerFacts, plain } from "./facts.ts"
import { moments, shared } from "./shared.ts"

/** Schema of `optimizer` with `kind: "lora-pro"` (arXiv 2407.18242). */
export const LoraProConfig = Schema.Struct({
  kind: Schema.Literal("lora-pro"),
  ...shared,
  form: choice(
    ["full", "efficient", "sgd"],
    "full: Adam on the equivalent gradient of W; efficient: Adam on the adjusted gradients of A and B; sgd: the adjusted gradients as they are (the head keeps AdamW)."
  ).pipe(withDefault("full")),
  x: choice(
    ["sylvester", "zero", "symmetric"],
    "The free r×r matrix X: nearest to the factor gradients (Sylvester equation), 0, or the symmetric choice."
  ).pipe(withDefault("sylvester")),
  damping: nonNegative("δ of (Gram + δI)⁻¹.").pipe(withDefault(1e-8)),
  moments: Schema.optionalKey(
    choice(
      ["entrywise", "invariant", "factored"],
      'entrywise: Adam\'s own moments of every entry, as in the paper. invariant, of form "efficient": a second moment that neither the size of the factors nor their basis decides, which learns from B = 0 where the paper\'s stalls. factored, of form "full": moments as products of thin matrices, a few percent of the numbers. Absent: entrywise.'
    )
  ),
  ...moments
}).annotate({
  title: "LoRA-Pro",
  description: "LoRA factors moved so that BA follows full fine-tuning (arXiv 2407.18242)."
})
export type LoraProConfig = typeof LoraProConfig.Type

const momentsOf: Readonly<Record<LoraProConfig["form"], ReadonlyArray<LoraProConfig["moments"]>>> = {
  full: ["entrywise", "factored"],
  efficient: ["entrywise", "invariant"],
  sgd: []
}

export const loraProFacts = {
  ...plain,
  label: "LoRA-Pro",
  paper: "2407.18242",
  needs: "theorem",
  followsTheorem: true,
  title: ({ form, x }) => `LoRA-Pro (${form}, X ${x})`,
  rules: [
    {
      name: "moments-of-form",
      field: "moments",
      problem: ({ form, moments }) => {
        const expected = momentsOf[form]
        if (moments === undefined || expected.includes(moments)) return undefined
        return `found "${moments}" with form "${form}"; expected ${[...expected.map((name) => `"${name}"`), "no moments here"].join(", or ")}`
      }
    }
  ]
} satisfies OptimizerFacts<LoraProConfig>
