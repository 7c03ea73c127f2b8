/**
 * From what is known of data and model to values of a plan, a rule for each. The numbers are in `findings.ts`; what memory then asks for
 * is `memory-fit.ts`.
 */
import { type Choice, measured } from "./choice.ts"
import {
  batchSize,
  evaluatedRows,
  FEW_ROWS,
  findings,
  LONG,
  MOST_PASSES,
  MOST_ROWS_SEEN,
  rank,
  rates,
  rowsSeen,
  SHORT,
  scale,
  speed,
  WIDEST_MEASURED,
  warmup
} from "./findings.ts"

/** What the rules look at. Rows are counted, lengths are tokens. */
export interface Facts {
  /** training rows, without those held out for validation */
  readonly rows: number
  readonly classes: number
  /** 95 % of the training texts have at most so many tokens */
  readonly p95: number
  readonly median: number
  readonly longest: number
  /** positions of the model */
  readonly positions: number
  readonly hiddenSize: number
  /** the smallest side of an adapted weight: no rank is larger */
  readonly narrowest: number
  /** numbers in linear layers */
  readonly linear: number
  /** rows of the splits that there are */
  readonly validation: number | null
  readonly test: number | null
  /** a new linear layer over the mean of the hidden states */
  readonly newHead: boolean
}

const count = (value: number): string => value.toLocaleString("en")

/** Steps of `batchSize` rows, and why. */
const steps = (facts: Facts): Choice => {
  const { rows, classes } = facts
  const [target, finding] =
    classes > 2 ? ([rowsSeen.more, findings.rowsOfMore] as const) : ([rowsSeen.two, findings.rowsOfTwo] as const)
  const wanted = Math.max(target, rows)
  const seen = Math.min(wanted, MOST_PASSES * rows, MOST_ROWS_SEEN)
  const value = Math.max(1, Math.round(seen / batchSize))
  const passes = (value * batchSize) / rows
  const shown = passes < 10 ? passes.toFixed(1) : passes.toFixed(0)
  const limit =
    seen < wanted && seen === MOST_ROWS_SEEN
      ? `; one pass over all of them is training.epochs: 1, but nothing as long was measured`
      : seen < wanted
        ? `; ${MOST_PASSES} passes at most, since a row that is seen more often teaches little but itself`
        : ""
  const reason = `${count(value * batchSize)} rows seen, ${shown} passes over ${count(rows)}${limit}; ${timeOf(facts, value)}`
  return measured("training.steps", value, reason, finding)
}

const timeOf = ({ median, linear }: Facts, steps: number): string => {
  const tokens = steps * batchSize * median
  const seconds = (tokens * linear) / (speed.tokensPerSecond * speed.linear)
  const about =
    seconds < 90
      ? `${Math.ceil(seconds)} s`
      : seconds < 5400
        ? `${Math.ceil(seconds / 60)} min`
        : `${(seconds / 3600).toFixed(1)} h`
  return `about ${about} of training on two CPU cores`
}

const rankOf = ({ rows, narrowest }: Facts): ReadonlyArray<Choice> => {
  const few = rows < FEW_ROWS
  const wanted = few ? rank.few : rank.usual
  const value = Math.min(wanted, narrowest)
  const reason =
    value < wanted
      ? `the model's narrowest layer allows no more`
      : few
        ? `${count(rows)} rows decide few numbers, so half the usual ${rank.usual}`
        : "the usual one"
  return [
    measured("adapter.rank", value, reason, findings.rank),
    measured("adapter.alpha", scale * value, `${scale} times the rank`, findings.scale)
  ]
}

const rate = ({ hiddenSize }: Facts, steps: number): Choice => {
  if (hiddenSize > WIDEST_MEASURED) {
    const reason = `the model is ${hiddenSize} wide, more than the ${WIDEST_MEASURED} that were measured`
    return measured("optimizer.learningRate", rates.loraProFullWide, reason, findings.wideRate)
  }
  return steps < SHORT
    ? measured("optimizer.learningRate", rates.loraProFullShort, `${steps} steps are few`, findings.shortRate)
    : measured("optimizer.learningRate", rates.loraProFull, "", findings.fullFormRate)
}

// Multiples: a batch is padded to one anyway, and a number that is easy to remember is worth the rest.
const ROUND = 16
const SHORTEST = 16

/** Where texts are cut. */
export const maxLength = ({ p95, longest, positions }: Facts): Choice => {
  const round = Math.max(SHORTEST, Math.ceil(p95 / ROUND) * ROUND)
  const value = Math.min(round, positions)
  const cut = longest <= value ? `the longest has ${longest}` : `the longest has ${longest} and loses its end`
  const reason =
    value < round
      ? `the model has no more positions; 95 % of the texts have at most ${p95} tokens, so more than one in twenty loses its end`
      : `95 % of the texts have at most ${p95} tokens; ${cut}`
  return { path: "data.maxLength", value, reason }
}

// A share of few rows is too few to see anything by.
const [SMALL, LARGEST_SHARE, SHARE, FEWEST] = [1_000, 0.2, 0.1, 10] as const

/** The share of the training rows that is held out where no validation file is given. */
export const heldOut = (rows: number): Choice | null => {
  if (rows < FEWEST) return null
  const value = rows < SMALL ? LARGEST_SHARE : SHARE
  const held = Math.round(rows * value)
  const error = (50 / Math.sqrt(held)).toFixed(1)
  const reason = `no validation file was given: ${count(held)} of ${count(rows)} rows are held out, on which an accuracy has a standard error of up to ${error} points`
  return { path: "data.validation", value, reason }
}

const evaluation = ({ validation, test }: Facts, steps: number): ReadonlyArray<Choice> => {
  const largest = Math.max(validation ?? 0, test ?? 0)
  if (largest === 0) return []
  const every = Math.ceil(steps / 4)
  const error = (50 / Math.sqrt(evaluatedRows)).toFixed(1)
  return [
    ...(largest > evaluatedRows
      ? [
          {
            path: "training.evaluateRows",
            value: evaluatedRows,
            reason: `of up to ${count(largest)}: evaluations before the last need no more than a standard error of ${error} points; the last one takes all rows`
          }
        ]
      : []),
    ...(steps >= LONG && validation !== null
      ? [
          {
            path: "training.evaluateEvery",
            value: every,
            reason: `four times in ${count(steps)} steps, so that a run that has stopped getting better shows it; the best checkpoint is kept`
          }
        ]
      : [])
  ]
}

/** Values for everything that the data and the model decide, in the order of a plan. */
export const choose = (facts: Facts): ReadonlyArray<Choice> => {
  const length = steps(facts)
  const number = length.value as number
  return [
    maxLength(facts),
    {
      path: "adapter.method",
      value: "lora",
      reason: "factors A and B beside every linear layer"
    },
    ...rankOf(facts),
    measured("optimizer.kind", "lora-pro", "no search for a rate is needed", findings.fullForm),
    measured("optimizer.form", "full", "the safer of its forms", findings.fullNotEfficient),
    rate(facts, number),
    ...(facts.newHead ? [measured("optimizer.headLearningRate", rates.head, "", findings.headRate)] : []),
    measured("optimizer.schedule.kind", "linear", "", findings.warmup),
    measured("optimizer.schedule.warmup", warmup, "", findings.warmup),
    length,
    measured("training.batchSize", batchSize, "", findings.batch),
    ...evaluation(facts, number)
  ]
}

/** What no value of a plan can mend, a sentence each. */
export const cautions = ({ rows, classes, validation, test, newHead }: Facts): ReadonlyArray<string> => [
  ...(rows / classes < 20
    ? [
        `${count(rows)} training rows are ${(rows / classes).toFixed(0)} for each of ${classes} classes: more of them will change more than any value of the plan`
      ]
    : []),
  ...(validation === null && test === null
    ? ["there is nothing to evaluate on: give --validation or --test, or what is gained will not be known"]
    : []),
  ...(newHead
    ? []
    : [
        "optimizer.headLearningRate is left out, so the head moves at learningRate: a head on a pooler was not measured here"
      ])
]
