/** Both factors moved so that W's move has equal singular values (arXiv 2606.12921)   { "kind": "lora-muon", "learningRate": 1e-2 } */
import * as Schema from "effect/Schema"
import { belowOne, nonNegative, withDefault } from "../fields.ts"
import { type OptimizerFacts, plain } from "./facts.ts"
import { moments, shared } from "./shared.ts"

/** Schema of `optimizer` with `kind: "lora-muon"` (arXiv 2606.12921). */
export const LoraMuonConfig = Schema.Struct({
  kind: Schema.Literal("lora-muon"),
  ...shared,
  weightDecay: nonNegative("λ, of BA: both factors shrink by √(1−ηλ), and their moves grow by as much.").pipe(
    withDefault(0.01)
  ),
  momentum: belowOne("β, how much of the mean of a factor's gradients is kept.").pipe(withDefault(0.9)),
  damping: nonNegative("δ of (Gram + δI)^-½.").pipe(withDefault(1e-8)),
  ...moments
}).annotate({
  title: "LoRA-Muon",
  description:
    "Moves W by at most η in the spectral norm, all singular values of a factor's share equal (arXiv 2606.12921); betas and epsilon are those of AdamW, which heads and dense tensors get."
})
export type LoraMuonConfig = typeof LoraMuonConfig.Type

export const loraMuonFacts = {
  ...plain,
  label: "LoRA-Muon",
  paper: "2606.12921",
  needs: "theorem"
} satisfies OptimizerFacts<LoraMuonConfig>
