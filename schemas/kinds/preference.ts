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

/** Schema of `data` with `format: "preference"`: a prompt, a better and a worse answer. */
export const PreferenceData = Schema.Struct({
  format: Schema.Literal("preference").annotate({
    description: "Pairs of answers to a prompt, of which one is preferred."
  }),
  ...splits,
  mapping: choice(
    ["trl", "openai"],
    "The form of a row: trl (columns prompt, chosen and rejected; without a prompt it is what the two conversations have in common at their beginning) or openai (input.messages, preferred_output and non_preferred_output)."
  ).pipe(withDefault("trl")),
  prompt: Schema.optionalKey(
    column(
      "Column that holds the prompt, a text or a list of messages. Absent: prompt (trl), where rows have it, or input (openai)."
    )
  ),
  chosen: Schema.optionalKey(
    column("Column that holds the better answer. Absent: chosen (trl) or preferred_output (openai).")
  ),
  rejected: Schema.optionalKey(
    column("Column that holds the worse answer. Absent: rejected (trl) or non_preferred_output (openai).")
  ),
  form: Schema.optionalKey(
    choice(
      ["messages", "text"],
      "What rows are: conversations, written out by the chat template of the checkpoint, or texts, in which nothing is put between prompt and answer and an end-of-text token comes after. Absent: what the first training row is."
    )
  ),
  ...conversationFields,
  maxLength: cutAt("Tokens of a prompt and one of its answers at most; the end is cut off."),
  bucketPool
}).annotate({ title: "Preference data", description: "Pairs of answers and how they become batches." })
export type PreferenceData = typeof PreferenceData.Type

const beta = (what: string) => positive(what).pipe(withDefault(0.1))

/** Direct preference optimisation (Rafailov et al. 2023, arXiv 2305.18290); smoothing as in cDPO (Mitchell 2023). */
export const DpoLoss = Schema.Struct({
  kind: Schema.Literal("dpo").annotate({
    description: "Answers are compared with what the model said of them before training."
  }),
  beta: beta(
    "β: how much a difference of log-probabilities counts. The larger, the nearer the model stays to what it was."
  ),
  labelSmoothing: Schema.optionalKey(
    share("ε: the share of the pairs that are taken to be the wrong way round. Absent: none.")
  )
}).annotate({ title: "DPO" })

/** Odds ratio preference optimisation (Hong et al. 2024, arXiv 2403.07691). */
export const OrpoLoss = Schema.Struct({
  kind: Schema.Literal("orpo").annotate({
    description:
      "The better answers are learned, and the odds of the worse ones fall; nothing is compared with the model before training."
  }),
  beta: beta("λ: what the odds ratio counts beside the cross-entropy of prompt and better answer.")
}).annotate({ title: "ORPO" })

/** Schema of `loss` of preferences, by `kind`: DPO (arXiv 2305.18290) or ORPO (arXiv 2403.07691). */
export const PreferenceLoss = Schema.Union([DpoLoss, OrpoLoss]).annotate({
  expected: 'an object with "kind"',
  description: "How a preference is learned."
})
export type PreferenceLoss = typeof PreferenceLoss.Type

/** The columns of a row; `promptNeeded` says whether a prompt has to be there. */
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

/** A causal language model and pairs of answers. */
export const PreferencePlan = planOf(
  CausalModelSection,
  PreferenceData,
  "PreferencePlan",
  "A training run of a causal language model over pairs of a better and a worse answer.",
  { loss: PreferenceLoss.pipe(withDefault({ kind: "dpo" })) }
)
export type PreferencePlan = typeof PreferencePlan.Type

export const preferencePlans: PlanKind<"preference", PreferencePlan, typeof PreferencePlan> = {
  formats: { preference: PreferencePlan },
  rules: languageModelRules,
  // as TRL's trainers (disable_dropout): an answer is compared with what the reference gave it without dropout
  ownDropout: true
}
