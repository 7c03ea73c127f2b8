/** Text embeddings: suggests values of a plan from data and model, one rule each. */
import {
  type Choice,
  evaluatedOf,
  evaluation,
  findings,
  heldOutRows,
  MOST_ROWS_SEEN,
  measured,
  nothingToEvaluate,
  passesOf,
  rates,
  roundLength,
  type Suggesting,
  secondsOf,
  sizesOf,
  speeds,
  timeText
} from "../../../suggest/index.ts"
import { estimateMemory } from "../resolve.ts"
import { headTurns, loraPro } from "../suggest.ts"
import { type RelatedPlan, type ResolvedRelatedPlan, textsOf } from "./resolve.ts"

const texts = ({ data }: ResolvedRelatedPlan): number => data.splits.train.texts

const maxLength = ({ lengths: { p95, max }, model }: ResolvedRelatedPlan): Choice => {
  const value = Math.min(roundLength(p95), model.maxLength)
  const cut = max <= value ? `the longest has ${max}` : `the longest has ${max} and is truncated`
  return { path: "data.maxLength", value, reason: `95 % of the texts have at most ${p95} tokens; ${cut}` }
}

const BATCH_SIZE = 32
/** Number of epochs; more of them raised recall and validation loss together. */
const PASSES = 3

const steps = (resolved: ResolvedRelatedPlan, rows: number): Choice => {
  const rowsSeen = Math.min(PASSES * rows, MOST_ROWS_SEEN)
  const value = Math.max(1, Math.round(rowsSeen / BATCH_SIZE))
  const { linear } = sizesOf(resolved.model.sites)
  const tokens = value * BATCH_SIZE * texts(resolved) * resolved.lengths.p50
  const reason = `${passesOf(value * BATCH_SIZE, rows)}; ${timeText(secondsOf(tokens, linear, speeds.encoder))}`
  return measured("training.steps", value, reason, findings.relatedSteps)
}

const choose = (resolved: ResolvedRelatedPlan, heldOut: number): ReadonlyArray<Choice> => {
  const rows = resolved.data.splits.train.rows - heldOut
  const length = steps(resolved, rows)
  return [
    maxLength(resolved),
    ...loraPro(
      { ...sizesOf(resolved.model.sites), hiddenSize: resolved.model.hiddenSize },
      measured("optimizer.learningRate", rates.loraProFull, "", findings.relatedRate)
    ),
    length,
    measured("training.batchSize", BATCH_SIZE, "", findings.relatedBatch),
    ...evaluation(evaluatedOf(resolved.data.splits, heldOut), length.value as number, {
      rows: 1_000,
      why: "ranks among this many texts are precise enough during training"
    })
  ]
}

/**
 * Remedy with fewer rows per batch. Each anchor is contrasted with the texts of its batch, so gradient accumulation does not compensate.
 */
const smallerBatches = {
  name: "batch",
  stages: [16, 8, 4, 2].map((value) => [
    {
      path: "training.batchSize",
      value,
      reason: `memory: ${value} rows a batch, so that each anchor is contrasted with the texts of only ${value - 1} others`
    }
  ])
}

export const suggestRelated: Suggesting<ResolvedRelatedPlan> = {
  uncut: 8192,
  heldOut: heldOutRows,
  choose(full, heldOut) {
    return { choices: choose(full, heldOut), cautions: nothingToEvaluate(evaluatedOf(full.data.splits, heldOut)) }
  },
  turns: (choices) => [
    ...headTurns(choices, 32, findings.relatedRate).filter(({ name }) => name !== smallerBatches.name),
    smallerBatches
  ],
  estimate: (plan: RelatedPlan, { model, trainable, selected, data }) =>
    estimateMemory(plan, model, trainable, selected.sites, data?.splits.train.rows, textsOf(plan))
}
