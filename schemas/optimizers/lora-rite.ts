/**
 * Each factor preconditioned in the coordinates of the other's basis, with moments that follow it (arXiv 2410.20625)
 *   { "kind": "lora-rite", "learningRate": 1e-3 }
 */
import * as Schema from "effect/Schema"
import { positive, withDefault } from "../fields.ts"
import { type OptimizerFacts, plain } from "./facts.ts"
import { moments, shared } from "./shared.ts"

const positiveOrNull = (description: string) =>
  Schema.NullOr(positive(description)).annotate({ expected: "a number greater than 0, or null", description })

/** Schema of `optimizer` with `kind: "lora-rite"`. */
export const LoraRiteConfig = Schema.Struct({
  kind: Schema.Literal("lora-rite"),
  ...shared,
  ...moments,
  epsilon: positive("ε, added to the root of each eigenvalue of the second moment.").pipe(withDefault(1e-6)),
  clipUnmagnified: positiveOrNull(
    "Largest global norm of the unmagnified gradients (those in the coordinates of the other factor's orthonormal basis), in the place of clipNorm; null: no clipping."
  ).pipe(withDefault(1)),
  skip: positiveOrNull(
    "A factor whose unmagnified gradient has a root mean square above this counts as having none at this step (update_skipping); null: none is skipped."
  ).pipe(withDefault(1)),
  cap: positiveOrNull(
    "Largest root mean square of a factor's step in the coordinates of the basis (update_capping); null: no cap."
  ).pipe(withDefault(null)),
  escape: Schema.Boolean.annotate({
    description:
      "Whether the second moment is raised by what it lost when it was carried over to a basis that has moved (apply_escape)."
  }).pipe(withDefault(false)),
  balance: Schema.Boolean.annotate({
    description: "Whether A and B are brought to one norm after each step, BA as it is (balance_param)."
  }).pipe(withDefault(false))
}).annotate({
  title: "LoRA-RITE",
  description:
    "An r×r matrix preconditioner for each factor, in the other's orthonormal basis: W moves by the same however BA is split between the factors (arXiv 2410.20625)."
})
export type LoraRiteConfig = typeof LoraRiteConfig.Type

export const loraRiteFacts = {
  ...plain,
  label: "LoRA-RITE",
  paper: "2410.20625",
  needs: "factors",
  rules: [
    {
      name: "clips-unmagnified-gradients",
      field: "clipNorm",
      problem: ({ clipNorm }) =>
        clipNorm === null
          ? undefined
          : `found ${clipNorm}, which measures the factors' raw gradients, whose size is the other factor's; expected clipUnmagnified, a norm that does not change with how BA is split, and clipNorm null or left out`
    }
  ]
} satisfies OptimizerFacts<LoraRiteConfig>
