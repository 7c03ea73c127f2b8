/** LoRA-Pro's move of W with singular values made equal (arXiv 2609.02734)   { "kind": "lora-tsd", "learningRate": 5e-3 } */
import * as Schema from "effect/Schema"
import { belowOne, choice, count, nonNegative, withDefault } from "../fields.ts"
import { type OptimizerFacts, plain } from "./facts.ts"
import { moments, shared } from "./shared.ts"

/** Schema of `optimizer` with `kind: "lora-tsd"` (arXiv 2609.02734). */
export const LoraTsdConfig = Schema.Struct({
  kind: Schema.Literal("lora-tsd"),
  ...shared,
  tau: count(
    0,
    "τ, how often the move is replaced by its matrix sign and projected on what A and B can do; 0: LoRA-Pro's SGD form.",
    "iterations"
  ).pipe(withDefault(3)),
  momentum: belowOne("μ, how much of the mean of a factor's gradients is kept.").pipe(withDefault(0.95)),
  x: choice(
    ["sylvester", "zero", "symmetric"],
    "How the move is split between A and B, as LoRA-Pro's: nearest to no move at all (Sylvester equation), all of what both can do by A, or half each."
  ).pipe(withDefault("sylvester")),
  damping: nonNegative("δ of (Gram + δI)⁻¹.").pipe(withDefault(1e-8)),
  ...moments
}).annotate({
  title: "LoRA-TSD",
  description:
    "LoRA-Pro's move of W with its singular values made equal within what A and B can do (arXiv 2609.02734); betas and epsilon are those of AdamW, which heads and dense tensors get."
})
export type LoraTsdConfig = typeof LoraTsdConfig.Type

export const loraTsdFacts = {
  ...plain,
  label: "LoRA-TSD",
  paper: "2609.02734",
  needs: "theorem",
  title: ({ kind, tau }) => `${kind} (τ = ${tau})`
} satisfies OptimizerFacts<LoraTsdConfig>
