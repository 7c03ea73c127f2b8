/** The sign of a momentum, decoupled decay (arXiv 2302.06675)   { "kind": "lion", "learningRate": 2e-4 } */
import * as Schema from "effect/Schema"
import { belowOne, withDefault } from "../fields.ts"
import { type OptimizerFacts, plain } from "./facts.ts"
import { shared } from "./shared.ts"

/** Schema of `optimizer` with `kind: "lion"` (arXiv 2302.06675). */
export const LionConfig = Schema.Struct({
  kind: Schema.Literal("lion"),
  ...shared,
  betas: Schema.Tuple([belowOne("β₁, of the direction"), belowOne("β₂, of the momentum")])
    .annotate({
      expected: "two numbers [β₁, β₂]",
      description: "How much of the momentum stays, in the direction of a step and in the momentum itself."
    })
    .pipe(withDefault([0.9, 0.99]))
}).annotate({
  title: "Lion",
  description:
    "Moves every number by the sign of a momentum: one moment instead of AdamW's two, at a third to a tenth of its rate (arXiv 2302.06675)."
})
export type LionConfig = typeof LionConfig.Type

export const lionFacts = {
  ...plain,
  label: "Lion",
  paper: "2302.06675",
  needs: "nothing"
} satisfies OptimizerFacts<LionConfig>
