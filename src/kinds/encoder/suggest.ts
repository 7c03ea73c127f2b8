/** Encoders with a head: suggests values of a plan from data and model, one rule each. */
import { counted } from "../../boundary/index.ts"
import { families } from "../../models/index.ts"
import type { OpenedData } from "../../plan/index.ts"
import {
  batchSize,
  type Choice,
  type Evaluated,
  evaluatedOf,
  evaluatedRows,
  evaluation,
  type Finding,
  fewOfEach,
  findings,
  heldOutLabelled,
  heldOutRows,
  knobs,
  MOST_PASSES,
  MOST_ROWS_SEEN,
  measured,
  type NamedModel,
  nothingToEvaluate,
  passesOf,
  ranks,
  rates,
  roundLength,
  rowsSeen,
  SHORT,
  type Suggesting,
  secondsOf,
  sizesOf,
  someLabelled,
  speeds,
  timeText,
  WIDEST_MEASURED,
  warmup
} from "../../suggest/index.ts"
import { type EncoderPlan, estimateMemory, type ResolvedEncoderPlan } from "./resolve.ts"

/** Inputs of the rules. Units: rows, tokens. */
export interface Facts extends Evaluated {
  /** training rows, without those held out for validation */
  readonly rows: number
  /** number of classes; null for numeric targets */
  readonly classes: number | null
  /** 95th percentile of the training texts' lengths, in tokens */
  readonly p95: number
  readonly median: number
  readonly longest: number
  /** maximum number of tokens of the model */
  readonly positions: number
  readonly hiddenSize: number
  /** smallest side of the adapted weights, an upper bound of the rank */
  readonly narrowest: number
  /** parameters in linear layers */
  readonly linear: number
  /** whether the head is a new linear layer over the hidden states, or over their mean */
  readonly newHead: boolean
  /** whether words have labels, rather than texts: long texts are then read in windows */
  readonly words: boolean
}

type Resolved = ResolvedEncoderPlan<EncoderPlan, OpenedData>

const factsOf = ({ model, data, lengths }: Resolved, heldOut: number, classes: number | null): Facts => {
  return {
    ...evaluatedOf(data.splits, heldOut),
    ...sizesOf(model.sites),
    rows: data.splits.train.rows - heldOut,
    classes,
    p95: lengths.p95,
    median: lengths.p50,
    longest: lengths.max,
    positions: model.maxLength,
    hiddenSize: model.hiddenSize,
    newHead: model.head.inCheckpoint.size === 0 && ["mean", "tokens"].includes(model.head.pooling),
    words: model.head.pooling === "tokens"
  }
}

/** Suggests the number of steps of `batchSize` rows. */
const steps = ({ rows, classes, words, median, linear }: Facts): Choice => {
  const [target, finding] = words
    ? ([rowsSeen.more, findings.rowsOfWords] as const)
    : classes === null
      ? ([rowsSeen.two, findings.rowsOfNumbers] as const)
      : classes > 2
        ? ([rowsSeen.more, findings.rowsOfMore] as const)
        : ([rowsSeen.two, findings.rowsOfTwo] as const)
  const preferred = Math.max(target, rows)
  const rowsToSee = Math.min(preferred, MOST_PASSES * rows, MOST_ROWS_SEEN)
  const value = Math.max(1, Math.round(rowsToSee / batchSize))
  const limit =
    rowsToSee < preferred && rowsToSee === MOST_ROWS_SEEN
      ? `; set training.epochs to 1 for one pass over all of them; runs of that length were not measured`
      : rowsToSee < preferred
        ? `; ${MOST_PASSES} passes at most, since repeating a row more often mostly makes the model memorise it`
        : ""
  const time = timeText(secondsOf(value * batchSize * median, linear, speeds.encoder))
  return measured("training.steps", value, `${passesOf(value * batchSize, rows)}${limit}; ${time}`, finding)
}

/** Suggests the learning rate for a model of a width; `otherwise` for widths up to the largest measured one. */
const rateOf = (hiddenSize: number, otherwise: Choice): Choice => {
  if (hiddenSize <= WIDEST_MEASURED.encoder) return otherwise
  const reason = `the model is ${hiddenSize} wide, more than the ${WIDEST_MEASURED.encoder} that were measured`
  return measured("optimizer.learningRate", rates.loraProFullWide, reason, findings.wideRate)
}

const rate = (steps: number): Choice =>
  steps < SHORT
    ? measured(
        "optimizer.learningRate",
        rates.loraProFullShort,
        `${counted(steps, "step")} are few`,
        findings.shortRate
      )
    : measured("optimizer.learningRate", rates.loraProFull, "", findings.fullFormRate)

/**
 * Suggests LoRA-Pro at every linear layer, from the method to the schedule. `rate`: learning rate for models up to the largest measured
 * width; `headRate`: what was measured of the head's own, if it has one.
 */
export const loraPro = (
  { narrowest, hiddenSize }: Pick<Facts, "narrowest" | "hiddenSize">,
  rate: Choice,
  headRate?: Finding
): ReadonlyArray<Choice> => [
  { path: "adapter.method", value: "lora", reason: "low-rank factors A and B on every linear layer" },
  ...ranks(narrowest, findings.rank),
  measured("optimizer.kind", "lora-pro", "no search for a learning rate is needed", findings.fullForm),
  measured("optimizer.form", "full", "the safer form", findings.fullNotEfficient),
  rateOf(hiddenSize, rate),
  ...(headRate === undefined ? [] : [measured("optimizer.headLearningRate", rates.head, "", headRate)]),
  measured("optimizer.schedule.kind", "linear", "", findings.warmup),
  measured("optimizer.schedule.warmup", warmup, "", findings.warmup)
]

/** Suggests the maximum number of tokens per text. */
const maxLength = ({ p95, longest, positions, words }: Facts): Choice => {
  const round = roundLength(p95)
  const value = Math.min(round, positions)
  const handled = words ? "read in windows" : "truncated"
  const cut = longest <= value ? `the longest has ${longest}` : `the longest has ${longest} and is ${handled}`
  const reason =
    value < round
      ? `the model's token limit; 95 % of the texts have at most ${p95} tokens, so more than one in twenty is ${handled}`
      : `95 % of the texts have at most ${p95} tokens; ${cut}`
  return { path: "data.maxLength", value, reason }
}

/** Suggests values for every field that depends on the data and the model, in the order of a plan. */
export const choose = (facts: Facts): ReadonlyArray<Choice> => {
  const length = steps(facts)
  const number = length.value as number
  return [
    maxLength(facts),
    ...loraPro(facts, rate(number), facts.newHead ? findings[facts.words ? "headRateOfWords" : "headRate"] : undefined),
    length,
    measured("training.batchSize", batchSize, "", findings.batch),
    ...evaluation(facts, number, someLabelled(evaluatedRows.labelled, facts.classes !== null))
  ]
}

const cautions = (facts: Facts): ReadonlyArray<string> => [
  ...(facts.classes === null ? [] : fewOfEach(facts.rows, facts.classes)),
  ...nothingToEvaluate(facts),
  ...(facts.newHead
    ? []
    : ["optimizer.headLearningRate is not set, so the head uses learningRate: only new linear heads were measured"])
]

/** Returns remedies of such plans that reduce memory. `finding`: source of the learning rate of plain LoRA. */
export const headTurns = (
  choices: ReadonlyArray<Choice>,
  shortest: number | null,
  finding: Finding = findings.loraRate
): ReturnType<Suggesting["turns"]> =>
  knobs(choices, {
    method: {
      choices: [
        measured("optimizer.kind", "adamw", "memory: plain LoRA", findings.moments),
        measured("optimizer.learningRate", rates.lora, "LoRA's own", finding)
      ],
      dropped: ["optimizer.form"]
    },
    packing: findings.packing,
    blocks: true,
    shortest
  })

/**
 * Suggests plans of a kind with a head. `classesOf`: number of classes of its rows; null for numeric targets. `hasAccuracy`: whether
 * accuracy is one of its metrics.
 */
export const headSuggesting = <R extends Resolved>(
  classesOf: (data: R["data"]) => number | null,
  hasAccuracy: boolean
): Suggesting<R> => ({
  uncut: 8192,
  heldOut: hasAccuracy ? heldOutLabelled : heldOutRows,
  choose(full, heldOut) {
    const facts = factsOf(full, heldOut, classesOf(full.data))
    return { choices: choose(facts), cautions: cautions(facts) }
  },
  turns: (choices) => headTurns(choices, 32),
  estimate: (plan, { model, trainable, selected, data }) =>
    estimateMemory(plan, model, trainable, selected.sites, data?.splits.train.rows)
})

/** Returns whether config.json of a model names a family of encoders. */
export const isEncoder = ({ modelType }: NamedModel): boolean =>
  typeof modelType === "string" && Object.hasOwn(families, modelType)
