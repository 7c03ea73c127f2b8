/** AdamW with a larger rate for B (arXiv 2402.12354)   { "kind": "lora-plus", "ratio": 16, "learningRate": 1e-4 } */
import * as Schema from "effect/Schema"
import { positive, withDefault } from "../fields.ts"
import { type OptimizerFacts, plain } from "./facts.ts"
import { moments, shared } from "./shared.ts"

/** Schema of `optimizer` with `kind: "lora-plus"` (arXiv 2402.12354). */
export const LoraPlusConfig = Schema.Struct({
  kind: Schema.Literal("lora-plus"),
  ...shared,
  ratio: positive("η_B/η_A: how much faster B moves than A.").pipe(withDefault(16)),
  ...moments
}).annotate({ title: "LoRA+", description: "AdamW with a larger learning rate for B (arXiv 2402.12354)." })
export type LoraPlusConfig = typeof LoraPlusConfig.Type

export const loraPlusFacts = {
  ...plain,
  label: "LoRA+",
  paper: "2402.12354",
  needs: "factors",
  largestRate: ({ ratio, learningRate }) => Math.max(1, ratio) * learningRate
} satisfies OptimizerFacts<LoraPlusConfig>
