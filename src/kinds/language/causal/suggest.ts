/** Causal language models on conversations, completions or texts: suggests values of a plan, one rule each. */

import type { CausalPlan } from "../../../../schemas/index.ts"
import { counted, wholeNumber } from "../../../boundary/index.ts"
import type { OpenedTokens } from "../../../data/causal/index.ts"
import type { SplitSource } from "../../../plan/index.ts"
import {
  type Choice,
  type Evaluated,
  evaluatedOf,
  evaluatedRows,
  evaluation,
  findings,
  knobs,
  MOST_PASSES_OF_ANSWERS,
  MOST_ROWS_SEEN,
  measured,
  nothingToEvaluate,
  paperWarmup,
  passesOf,
  ranks,
  rates,
  roundLength,
  rowsOfStep,
  rowsSeen,
  type Suggesting,
  secondsOf,
  sizesOf,
  speeds,
  timeText,
  WIDEST_MEASURED,
  warmup
} from "../../../suggest/index.ts"
import { estimateMemory, type LanguagePlan, type ResolvedLanguagePlan } from "../kind.ts"
import type { ResolvedCausalPlan } from "./run.ts"

/** Inputs of the rules. Units: rows, tokens. */
export interface CausalFacts extends Evaluated {
  readonly format: CausalPlan["data"]["format"]
  /** training rows, without those held out for validation */
  readonly rows: number
  /** number of training rows with known lengths */
  readonly sample: number
  readonly mean: number
  readonly p95: number
  /** longest row of all splits, in tokens; rows are truncated in evaluations too */
  readonly longest: number
  /** maximum number of tokens of the model */
  readonly positions: number
  readonly hiddenSize: number
  /** smallest side of the adapted weights, an upper bound of the rank */
  readonly narrowest: number
  /** parameters in linear layers */
  readonly linear: number
  /** sequences per row; default 1 */
  readonly sequences?: number
}

export const languageFacts = (
  format: CausalFacts["format"],
  { model, data }: Pick<ResolvedLanguagePlan<LanguagePlan, OpenedTokens<SplitSource>>, "model" | "data">,
  heldOut: number
): CausalFacts => {
  const descriptions = data.describe()
  const { sample, tokens } = descriptions[0]!
  return {
    format,
    ...evaluatedOf(data.splits, heldOut),
    ...sizesOf(model.sites),
    rows: data.splits.train.rows - heldOut,
    sample,
    mean: tokens.mean,
    p95: tokens.p95,
    longest: Math.max(...descriptions.map(({ tokens: { max } }) => max)),
    positions: model.maxLength,
    hiddenSize: model.hiddenSize
  }
}

// Evaluating a row costs a third of training on it; of many rows, a small share is sufficient.
const SHARES = [
  { below: 10, share: 0 },
  { below: 100, share: 0.2 },
  { below: 1_000, share: 0.1 },
  { below: 10_000, share: 0.05 },
  { below: Number.POSITIVE_INFINITY, share: 0.01 }
] as const

const heldOut = (rows: number): Choice | null => {
  const value = SHARES.find(({ below }) => rows < below)!.share
  if (value === 0) return null
  const reason = `no validation file was given: ${wholeNumber(Math.round(rows * value))} of ${counted(rows, "row")} are held out`
  return { path: "data.validation", value, reason }
}

// A batch's memory grows with its longest row: a single much longer row is not worth it.
const MUCH_LONGER = 2
/** Length of a row of packed texts in tokens: at least a few short texts, at most the default. */
const BLOCK = { shortest: 128, longest: 512 } as const

const maxLength = ({ format, rows, sample, p95, longest, positions }: CausalFacts): Choice => {
  const path = "data.maxLength"
  if (format === "text") {
    const value = Math.min(positions, BLOCK.longest, Math.max(BLOCK.shortest, roundLength(p95)))
    const reason = `95 % of the texts have at most ${wholeNumber(p95)} tokens, the longest ${wholeNumber(longest)}; longer texts are split into several rows`
    return { path, value, reason }
  }
  const all = longest <= MUCH_LONGER * p95
  const preferred = roundLength(all ? longest : p95)
  const value = Math.min(preferred, positions)
  const longestRow = `the longest row${sample < rows ? ` of ${wholeNumber(sample)} looked at` : ""} has ${wholeNumber(longest)} tokens`
  const lost = "including the token that ends its text"
  const reason =
    value < preferred
      ? `the model's token limit; ${longestRow}, ${lost}, and is truncated`
      : all
        ? `${longestRow}, ${lost}, so no row is truncated`
        : `95 % of the rows have at most ${wholeNumber(p95)} tokens; ${longestRow}, ${(longest / p95).toFixed(1)} times as many, and is truncated`
  return { path, value, reason }
}

const packing = ({ format, mean, p95 }: CausalFacts, maxLength: number): Choice => {
  const path = "data.packing"
  if (format === "text") {
    const reason = `texts of ${wholeNumber(Math.round(mean))} tokens on average fill rows of ${wholeNumber(maxLength)} one after another, each attending only to itself, without padding`
    return { path, value: true, reason }
  }
  const reason = `rows of similar length share a batch (data.bucketPool), so there is little padding; the mean is ${wholeNumber(Math.round(mean))} tokens, 95 % have at most ${wholeNumber(p95)}`
  return { path, value: false, reason }
}

/** Bounds of the rows per step, and the minimum number of steps if there are enough rows. The measurement had 24 steps of 4 rows. */
const STEP = { largest: 32, smallest: 4, steps: 100 } as const

/** Suggests the number of steps and their rows. A row of packed texts is full. */
const length = (facts: CausalFacts, maxLength: number): ReadonlyArray<Choice> => {
  const { format, rows, mean, linear, sequences = 1 } = facts
  const text = format === "text"
  const pass = text ? Math.ceil((rows * mean) / maxLength) : rows
  const preferred = Math.max(rowsSeen.answers, pass)
  const rowsToSee = Math.min(preferred, MOST_PASSES_OF_ANSWERS * pass, MOST_ROWS_SEEN)
  const batch = rowsOfStep(rowsToSee, STEP)
  const steps = Math.max(1, Math.round(rowsToSee / batch))
  const limit =
    rowsToSee === preferred
      ? ""
      : rowsToSee === MOST_ROWS_SEEN
        ? "; training.epochs: 1 is one pass over all of them, but runs of that length were not measured"
        : `; ${MOST_PASSES_OF_ANSWERS} passes at most, since a language model soon memorises its rows`
  const tokens = steps * batch * sequences * (text ? maxLength : Math.min(mean, maxLength))
  const what = `${passesOf(steps * batch, pass)}${text ? ` (rows of ${wholeNumber(maxLength)} tokens)` : ""}`
  const path = "training.steps"
  const reason = `${what}${limit}; ${timeText(secondsOf(tokens, linear, speeds.decoder))}`
  const fewer = batch < STEP.largest ? `more would leave a run of fewer than ${STEP.steps} steps` : ""
  return [
    text
      ? { path, value: steps, reason: `${reason}; the effect of more passes over texts was not measured` }
      : measured(path, steps, reason, findings.decoderSteps),
    measured("training.batchSize", batch, fewer, findings.decoderBatch)
  ]
}

const isWide = ({ hiddenSize }: Pick<CausalFacts, "hiddenSize">): boolean => hiddenSize > WIDEST_MEASURED.decoder

const optimizer = (facts: CausalFacts): ReadonlyArray<Choice> => {
  if (!isWide(facts)) {
    return [
      measured("optimizer.kind", "lora-pro", "", findings.decoderMethod),
      measured("optimizer.form", "efficient", "only moments of the factors", findings.decoderForm),
      measured("optimizer.learningRate", rates.decoder, "", findings.decoderRate),
      measured("optimizer.schedule.kind", "cosine", "", findings.decoderSchedule),
      measured("optimizer.schedule.warmup", warmup, "", findings.decoderSchedule)
    ]
  }
  const wider = `the model is ${wholeNumber(facts.hiddenSize)} wide, more than the ${WIDEST_MEASURED.decoder} that were measured`
  return [
    measured("optimizer.kind", "lora-pro", wider, findings.paperForm),
    measured("optimizer.form", "full", "", findings.paperForm),
    measured("optimizer.learningRate", rates.decoderFullWide, "", findings.paperRate),
    measured("optimizer.schedule.kind", "cosine", "", findings.paperSchedule),
    measured("optimizer.schedule.warmup", paperWarmup, "", findings.paperSchedule)
  ]
}

/** Suggests values for every field that depends on the data and the model, in the order of a plan. */
export const chooseCausal = (facts: CausalFacts): ReadonlyArray<Choice> => {
  const cut = maxLength(facts)
  const tokens = cut.value as number
  const [steps, batchSize] = length(facts, tokens)
  return [
    cut,
    packing(facts, tokens),
    { path: "adapter.method", value: "lora", reason: "low-rank factors A and B on every linear layer of the blocks" },
    ...ranks(facts.narrowest, findings.decoderRank),
    ...optimizer(facts),
    steps!,
    batchSize!,
    ...evaluation(facts, steps!.value as number, {
      rows: evaluatedRows.causal,
      why: "evaluations during training only need to show whether the loss falls"
    })
  ]
}

/** Estimated hours above which two cores are too slow for the run. */
const LONG_HOURS = 12

export const cautions = (facts: CausalFacts, choices: ReadonlyArray<Choice>): ReadonlyArray<string> => {
  const value = (path: string) => choices.find((choice) => choice.path === path)!.value as number
  const tokens = facts.format === "text" ? value("data.maxLength") : Math.min(facts.mean, value("data.maxLength"))
  const sequencesSeen = value("training.steps") * value("training.batchSize") * (facts.sequences ?? 1)
  const hours = secondsOf(sequencesSeen * tokens, facts.linear, speeds.decoder) / 3600
  return [
    ...(facts.rows < rowsSeen.answers / MOST_PASSES_OF_ANSWERS
      ? [`${counted(facts.rows, "training row")} are few: more rows will help more than any change to the plan`]
      : []),
    ...(hours > LONG_HOURS
      ? [
          `about ${wholeNumber(Math.round(hours))} hours on two CPU cores: use a GPU (--device webgpu), a smaller model, or fewer training.steps`
        ]
      : []),
    ...nothingToEvaluate(facts)
  ]
}

const efficient: ReadonlyArray<Choice> = [
  measured("optimizer.form", "efficient", "memory", findings.decoderMoments),
  measured("optimizer.learningRate", rates.decoderFactorsWide, "", findings.factorsRate)
]

export const suggestCausal: Suggesting<ResolvedCausalPlan> = {
  uncut: 131_072,
  heldOut,
  choose(full, heldOut) {
    const facts = languageFacts(full.plan.data.format, full, heldOut)
    const choices = chooseCausal(facts)
    return { choices, cautions: cautions(facts, choices) }
  },
  turns: (choices) => {
    const full = choices.some(({ path, value }) => path === "optimizer.form" && value === "full")
    return knobs(choices, {
      method: full ? { choices: efficient } : null,
      packing: findings.decoderPacking,
      blocks: true,
      shortest: 64
    })
  },
  estimate: (plan, { model, trainable, selected }) => estimateMemory(plan, model, trainable, selected.sites)
}
