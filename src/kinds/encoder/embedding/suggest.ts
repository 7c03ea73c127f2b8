/** Texts that belong together and an encoder: from what is known of data and model to values of a plan, a rule for each. */
import * as Effect from "effect/Effect"
import {
  type Choice,
  type Columns,
  choice,
  type Detecting,
  evaluatedOf,
  evaluation,
  findings,
  heldOutLabelled,
  MOST_ROWS_SEEN,
  measured,
  nothingToEvaluate,
  passesOf,
  type Row,
  rates,
  roundLength,
  type Suggesting,
  secondsOf,
  sizesOf,
  speeds,
  timeText
} from "../../../suggest/index.ts"
import { probedRows, textColumnsOf } from "../../rows/columns.ts"
import { estimateMemory } from "../resolve.ts"
import { headTurns, isEncoder, loraPro } from "../suggest.ts"
import { type RelatedPlan, type ResolvedRelatedPlan, textsOf } from "./resolve.ts"

const texts = ({ data }: ResolvedRelatedPlan): number => data.splits.train.texts

const maxLength = ({ lengths: { p95, max }, model }: ResolvedRelatedPlan): Choice => {
  const value = Math.min(roundLength(p95), model.maxLength)
  const cut = max <= value ? `the longest has ${max}` : `the longest has ${max} and loses its end`
  return { path: "data.maxLength", value, reason: `95 % of the texts have at most ${p95} tokens; ${cut}` }
}

const BATCH_SIZE = 32
/** Over the training rows: later ones went on raising recall and the loss alike. */
const PASSES = 3

const steps = (resolved: ResolvedRelatedPlan, rows: number): Choice => {
  const seen = Math.min(PASSES * rows, MOST_ROWS_SEEN)
  const value = Math.max(1, Math.round(seen / BATCH_SIZE))
  const { linear } = sizesOf(resolved.model.sites)
  const tokens = value * BATCH_SIZE * texts(resolved) * resolved.lengths.p50
  const reason = `${passesOf(value * BATCH_SIZE, rows)}; ${timeText(secondsOf(tokens, linear, speeds.encoder))}`
  return measured("training.steps", value, reason, findings.relatedSteps)
}

const choose = (resolved: ResolvedRelatedPlan, held: number): ReadonlyArray<Choice> => {
  const rows = resolved.data.splits.train.rows - held
  const length = steps(resolved, rows)
  return [
    maxLength(resolved),
    ...loraPro(
      { ...sizesOf(resolved.model.sites), hiddenSize: resolved.model.hiddenSize, newHead: false },
      measured("optimizer.learningRate", rates.loraProFull, "", findings.relatedRate)
    ),
    length,
    measured("training.batchSize", BATCH_SIZE, "", findings.relatedBatch),
    ...evaluation(evaluatedOf(resolved.data.splits, held), length.value as number, {
      rows: 1_000,
      why: "places among as many texts tell enough on the way"
    })
  ]
}

/** Each anchor is contrasted with the texts of its own batch: fewer rows are another comparison, for which accumulating does not make up. */
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
  heldOut: heldOutLabelled,
  choose(seen, held) {
    return { choices: choose(seen, held), cautions: nothingToEvaluate(evaluatedOf(seen.data.splits, held)) }
  },
  turns: (choices) => [
    ...headTurns(choices, 32, findings.relatedRate).filter(({ name }) => name !== smallerBatches.name),
    smallerBatches
  ],
  estimate: (plan: RelatedPlan, { model, trainable, selected, data }) =>
    estimateMemory(plan, model, trainable, selected.sites, data?.splits.train.rows, textsOf(plan))
}

/** An anchor and what belongs to it, as data sets call them. */
const pairs = [
  ["anchor", "positive"],
  ["query", "positive"],
  ["query", "document"],
  ["query", "passage"],
  ["question", "answer"],
  ["question", "context"],
  ["title", "abstract"],
  ["term", "definition"],
  ["sentence1", "sentence2"],
  ["text", "textPair"]
] as const

const negatives = ["negative", "hard_negative", "hardNegative"] as const
const scores = ["score", "similarity", "similarity_score", "similarityScore"] as const

const isNumber = (value: unknown): boolean =>
  typeof value === "number" || (typeof value === "string" && value.trim() !== "" && Number.isFinite(Number(value)))

const numbersIn = (rows: ReadonlyArray<Row>): ReadonlyArray<string> =>
  Object.keys(rows[0] ?? {}).filter((name) => rows.every((row) => isNumber(row[name])))

/** Pairs, where nothing else of a row could be what is learned. */
const embeddingOf = (rows: ReadonlyArray<Row>, columns: Columns) => {
  const named = columns.anchor !== undefined || columns.positive !== undefined
  if (!named && Object.keys(columns).length > 0) return null
  const found = textColumnsOf(rows).filter((name) => !numbersIn(rows).includes(name))
  const pair = pairs.find((names) => names.every((name) => found.includes(name)))
  const negative = columns.negative === undefined ? negatives.find((name) => found.includes(name)) : undefined
  const rest = Object.keys(rows[0] ?? {}).filter((name) => name !== negative && !pair?.includes(name as never))
  const clear =
    pair !== undefined && (pair[1] === "positive" || rest.every((name) => /^(id|_id|source|url)$/.test(name)))
  if (!named && !clear) return null
  const reason = named
    ? "the columns of texts that belong together were named"
    : `rows have two texts that belong together ("${pair![0]}" and "${pair![1]}") and no label`
  const own =
    pair === undefined
      ? []
      : (["anchor", "positive"] as const).flatMap((name, i) => {
          const why = i === 0 ? "the text that is asked with" : "the text that belongs to it"
          return columns[name] === undefined ? [choice(`data.${name}`, pair[i]!, why)] : []
        })
  return {
    format: "embedding",
    choices: [
      choice("data.format", "embedding", reason),
      ...own,
      ...(negative === undefined ? [] : [choice("data.negative", negative, "a text that does not belong to it")])
    ]
  }
}

/** Two texts and a number between them. */
const similarityOf = (rows: ReadonlyArray<Row>, columns: Columns) => {
  const numbers = numbersIn(rows)
  const score = columns.score ?? scores.find((name) => numbers.includes(name))
  const others = Object.keys(columns).some((name) => !["text", "textPair", "score"].includes(name))
  if (score === undefined || others) return null
  const found = textColumnsOf(rows).filter((name) => !numbers.includes(name))
  const pair = pairs.find((names) => names.every((name) => found.includes(name)))
  if (pair === undefined && columns.textPair === undefined) return null
  const own =
    pair === undefined
      ? []
      : (["text", "textPair"] as const).flatMap((name, i) =>
          columns[name] === undefined
            ? [choice(`data.${name}`, pair[i]!, i === 0 ? "the first text" : "the second text")]
            : []
        )
  return {
    format: "similarity",
    choices: [
      choice("data.format", "similarity", `rows have two texts and a number ("${score}") that says how alike they are`),
      ...own,
      ...(columns.score === undefined ? [choice("data.score", score, "the number")] : [])
    ]
  }
}

export const detectEmbedding: Detecting = {
  columns: { embedding: ["anchor", "positive", "negative"] },
  takes: isEncoder,
  rows: (_, file, columns) => Effect.map(probedRows(file), (rows) => embeddingOf(rows, columns))
}

export const detectSimilarity: Detecting = {
  columns: { similarity: ["text", "textPair", "score"] },
  takes: isEncoder,
  rows: (_, file, columns) => Effect.map(probedRows(file), (rows) => similarityOf(rows, columns))
}
