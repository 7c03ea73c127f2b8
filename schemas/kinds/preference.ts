/**
 * Pairs of a better and a worse answer to one prompt, for a causal language model.
 *
 *   "model": { "source": "../models/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf" }
 *   "data": { "format": "preference", "train": "pairs.jsonl", "maxLength": 512 }
 *   "data": { "format": "preference", "train": "pairs.jsonl", "mapping": "openai" }
 *   "loss": { "kind": "dpo", "beta": 0.1 }
 */
import * as Schema from "effect/Schema"
import { choice, positive, share, withDefault } from "../fields.ts"
import { bucketPool, CausalModelSection, conversationFields, cutAt, languageModelRules } from "./causal.ts"
import { column, type PlanKind, planOf, splits } from "./plan.ts"

/** Schema of `data` with `format: "preference"`: a prompt with a preferred and a rejected answer. */
export const PreferenceData = Schema.Struct({
  format: Schema.Literal("preference").annotate({
    description: "Prompts with a preferred and a rejected answer."
  }),
  ...splits,
  mapping: choice(
    ["trl", "openai"],
    "Layout of the rows: trl (columns prompt, chosen and rejected; without a prompt, the common beginning of the two conversations) or openai (input.messages, preferred_output and non_preferred_output)."
  ).pipe(withDefault("trl")),
  prompt: Schema.optionalKey(
    column(
      "Column with the prompt, a text or a list of messages. Default: prompt (trl), if there is one, or input (openai)."
    )
  ),
  chosen: Schema.optionalKey(
    column("Column with the preferred answer. Default: chosen (trl) or preferred_output (openai).")
  ),
  rejected: Schema.optionalKey(
    column("Column with the rejected answer. Default: rejected (trl) or non_preferred_output (openai).")
  ),
  form: Schema.optionalKey(
    choice(
      ["messages", "text"],
      "Conversations, formatted with the checkpoint's chat template, or plain texts, joined without a separator and followed by an end-of-text token. Default: detected from the first training row."
    )
  ),
  ...conversationFields,
  maxLength: cutAt("Maximum tokens of a prompt with one answer; the end is cut off."),
  bucketPool
}).annotate({ title: "Preference data", description: "Pairs of answers, and how to batch them." })
export type PreferenceData = typeof PreferenceData.Type

const beta = (what: string) => positive(what).pipe(withDefault(0.1))

/** Schema of direct preference optimization (Rafailov et al. 2023, arXiv 2305.18290), with the label smoothing of cDPO (Mitchell 2023). */
export const DpoLoss = Schema.Struct({
  kind: Schema.Literal("dpo").annotate({
    description:
      "Direct preference optimization: compares the answers' log-probabilities with those of the model before training (arXiv 2305.18290)."
  }),
  beta: beta("β, scale of the log-probability differences. Larger values keep the model closer to its start."),
  labelSmoothing: Schema.optionalKey(share("ε, assumed fraction of pairs with swapped answers. Default: 0."))
}).annotate({ title: "DPO" })

/** Schema of odds ratio preference optimization (Hong et al. 2024, arXiv 2403.07691). */
export const OrpoLoss = Schema.Struct({
  kind: Schema.Literal("orpo").annotate({
    description:
      "Odds ratio preference optimization: learns the preferred answers and lowers the odds of the rejected ones, without a reference model (arXiv 2403.07691)."
  }),
  beta: beta("λ, weight of the odds ratio relative to the cross-entropy of prompt and preferred answer.")
}).annotate({ title: "ORPO" })

/** Schema of `loss` of preferences, by `kind`: DPO (arXiv 2305.18290) or ORPO (arXiv 2403.07691). */
export const PreferenceLoss = Schema.Union([DpoLoss, OrpoLoss]).annotate({
  expected: 'an object with "kind"',
  description: "The preference loss."
})
export type PreferenceLoss = typeof PreferenceLoss.Type

/** Returns the columns of a row; `promptNeeded`: whether rows must have a prompt. */
export const preferenceColumns = ({
  mapping,
  prompt,
  chosen,
  rejected
}: Pick<PreferenceData, "mapping" | "prompt" | "chosen" | "rejected">) =>
  mapping === "openai"
    ? {
        prompt: prompt ?? "input",
        chosen: chosen ?? "preferred_output",
        rejected: rejected ?? "non_preferred_output",
        promptNeeded: true
      }
    : {
        prompt: prompt ?? "prompt",
        chosen: chosen ?? "chosen",
        rejected: rejected ?? "rejected",
        promptNeeded: prompt !== undefined
      }

/** Schema of plans for a causal language model over pairs of answers. */
export const PreferencePlan = planOf(
  CausalModelSection,
  PreferenceData,
  "PreferencePlan",
  "A training run of a causal language model over preferred and rejected answers.",
  { loss: PreferenceLoss.pipe(withDefault({ kind: "dpo" })) }
)
export type PreferencePlan = typeof PreferencePlan.Type

export const preferencePlans: PlanKind<"preference", PreferencePlan, typeof PreferencePlan> = {
  formats: { preference: PreferencePlan },
  rules: languageModelRules,
  // as TRL's trainers (disable_dropout): an answer is compared with what the reference gave it without dropout
  ownDropout: true
}
