/** What `validate` and `train` say of every encoder under a head. */
import type { OpenedData } from "../../plan/index.ts"
import { percent } from "../../training/index.ts"
import { type EncoderPlan, longestText, type ResolvedEncoderPlan } from "./resolve.ts"

type Resolved = ResolvedEncoderPlan<EncoderPlan, OpenedData>

export const encoderWords = {
  model: ({ family, layers, hiddenSize }: Resolved["model"]) => `${family} (${layers} layers, ${hiddenSize} wide)`,
  modelName: ({ family }: Resolved["model"]) => family,
  untrained: () => "the untrained head",
  lines: ({ plan, model, lengths: { p50, p95, max, truncated } }: Resolved) => ({
    weights: unusedText(model),
    lengths: `${p50} tokens (median), ${p95} (95 %), ${max} (longest); ${percent(truncated)} cut at ${longestText(plan, model)}`
  }),
  json: ({ model: { family, folder, labels, unusedTensors }, lengths }: Resolved) => ({
    model: { family, folder, labels, unusedTensors },
    lengths
  })
}

const UNUSED_SHOWN = 4

type Read = Pick<Resolved["model"], "parameters" | "unusedTensors"> & {
  readonly head: Pick<Resolved["model"]["head"], "inCheckpoint">
}

/** What of the checkpoint is read, and what is not: a head that should have been used would be among the latter. */
export const unusedText = ({ parameters, head, unusedTensors }: Read): string => {
  const read = `${parameters.length + head.inCheckpoint.size} tensors of the checkpoint`
  if (unusedTensors.length === 0) return `${read}, all that it has`
  const shown = unusedTensors.slice(0, UNUSED_SHOWN).join(", ")
  const more = unusedTensors.length > UNUSED_SHOWN ? ` and ${unusedTensors.length - UNUSED_SHOWN} more` : ""
  return `${read}; not used: ${shown}${more}`
}
