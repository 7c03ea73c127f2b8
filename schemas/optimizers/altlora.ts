/**
 * A and B take turns, each by its gradient in the other's coordinates (arXiv 2505.12455)   { "kind": "altlora", "learningRate": 0.1 }
 *
 *   altlora-plus   with Adam's second moment   { "kind": "altlora-plus", "learningRate": 1e-3 }
 *   variant        "paper": one factor a step, B first · "code": the authors' program as it is, both factors at every step
 */
import * as Schema from "effect/Schema"
import { choice, nonNegative, withDefault } from "../fields.ts"
import { type OptimizerFacts, plain } from "./facts.ts"
import { moments, shared } from "./shared.ts"

const own = {
  ...shared,
  variant: choice(
    ["paper", "code"],
    "paper: B and A take turns, by 1/s² of their gradients; code: the authors' program as it is, A and then B at every step, without 1/s², the first moment corrected for its start."
  ).pipe(withDefault("paper")),
  damping: nonNegative("δ of (Gram + δI)⁻¹.").pipe(withDefault(1e-5)),
  ...moments
}

/** Schema of `optimizer` with `kind: "altlora"` (arXiv 2505.12455). */
export const AltLoraConfig = Schema.Struct({ kind: Schema.Literal("altlora"), ...own }).annotate({
  title: "AltLoRA",
  description:
    "A and B take turns, each by the gradient of W projected on what it can do, with a momentum that is carried along as the other moves; betas[1] and epsilon are those of dense tensors (arXiv 2505.12455)."
})
export type AltLoraConfig = typeof AltLoraConfig.Type

/** Schema of `optimizer` with `kind: "altlora-plus"` (arXiv 2505.12455). */
export const AltLoraPlusConfig = Schema.Struct({ kind: Schema.Literal("altlora-plus"), ...own }).annotate({
  title: "AltLoRA+",
  description: "AltLoRA with Adam's second moment (arXiv 2505.12455)."
})
export type AltLoraPlusConfig = typeof AltLoraPlusConfig.Type

const titled =
  (label: string) =>
  ({ variant }: Pick<AltLoraConfig, "variant">): string =>
    `${label} (${variant === "paper" ? "B and A take turns" : "the authors' code"})`

const facts = { ...plain, paper: "2505.12455", needs: "theorem" } as const

export const altLoraFacts = {
  ...facts,
  label: "AltLoRA",
  title: titled("AltLoRA")
} satisfies OptimizerFacts<AltLoraConfig>

export const altLoraPlusFacts = {
  ...facts,
  label: "AltLoRA+",
  title: titled("AltLoRA+")
} satisfies OptimizerFacts<AltLoraPlusConfig>
