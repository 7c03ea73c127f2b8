/** Texts with targets and a model that reads the one and writes the other: which columns hold them, and the plan for them. */
import * as Effect from "effect/Effect"
import { dataError } from "../../../data/index.ts"
import { seq2seqFamilies } from "../../../models/seq2seq/index.ts"
import {
  type Choice,
  type Columns,
  choice,
  count,
  type Detecting,
  type Evaluated,
  evaluatedOf,
  evaluatedRows,
  evaluation,
  fewOfEach,
  findings,
  heldOutLabelled,
  knobs,
  MOST_PASSES,
  MOST_PASSES_OF_ANSWERS,
  MOST_ROWS_SEEN,
  measured,
  NAMED,
  nothingToEvaluate,
  paperWarmup,
  passesOf,
  type Row,
  ranks,
  rates,
  roundLength,
  rowsOfStep,
  rowsSeen,
  type Suggesting,
  secondsOf,
  sizesOf,
  speeds,
  timeText
} from "../../../suggest/index.ts"
import { pairOf, probedRows, textColumnsOf, textOf, usual } from "../../rows/columns.ts"
import { estimateMemory, type ResolvedSeq2SeqPlan } from "./resolve.ts"

/** A text and what is written for it, as data sets call them. */
const pairs = [
  ["source", "target"],
  ["input", "output"],
  ["question", "answer"],
  ["document", "summary"],
  ["text", "summary"],
  ["article", "summary"],
  ["article", "highlights"],
  ["dialogue", "summary"],
  ["prompt", "completion"],
  ["prompt", "response"],
  ["instruction", "response"],
  ["query", "response"]
] as const

const labels = ["label", "target", "sentiment", "category", "class", "intent"] as const

interface Pair {
  readonly source: string
  readonly target: string
  readonly reason: string
}

/** Two columns named by languages: "en" and "de". */
const translation = (texts: ReadonlyArray<string>): Pair | undefined => {
  const [source, target, ...more] = texts.filter((name) => /^[a-z]{2}$/.test(name))
  return source === undefined || target === undefined || more.length > 0
    ? undefined
    : {
        source,
        target,
        reason: `rows have a text in "${source}" and another in "${target}", by their names two languages`
      }
}

/** A text and its label, which is written out. */
const labelled = (rows: ReadonlyArray<Row>, { source, target }: Columns): Pair | undefined => {
  const all = Object.keys(rows[0] ?? {})
  const label = target ?? usual(labels, all)
  const others = all.filter((name) => name !== label)
  // of two texts one would be lost
  if (label === undefined || (source === undefined && pairOf(rows, {}).length > 0)) return undefined
  const text = source ?? textOf(rows, others)?.value
  return typeof text !== "string"
    ? undefined
    : {
        source: text,
        target: label,
        reason: `rows have a text ("${text}") and a label ("${label}"), which is written for it`
      }
}

const found = (rows: ReadonlyArray<Row>, columns: Columns): Pair | undefined => {
  const { source, target } = columns
  if (source !== undefined && target !== undefined) return { source, target, reason: "both columns were named" }
  const texts = textColumnsOf(rows)
  const fits = ([one, other]: readonly [string, string]) =>
    texts.includes(one) && texts.includes(other) && (source ?? one) === one && (target ?? other) === other
  const pair = pairs.find(fits)
  if (pair !== undefined) {
    const [one, other] = pair
    return { source: one, target: other, reason: `rows have a text ("${one}") and what is written for it ("${other}")` }
  }
  return (source === undefined && target === undefined ? translation(texts) : undefined) ?? labelled(rows, columns)
}

export const detectSeq2Seq: Detecting = {
  columns: { seq2seq: ["source", "target"] },
  takes: ({ modelType }) => typeof modelType === "string" && Object.hasOwn(seq2seqFamilies, modelType),
  rows: (_, file, columns) =>
    Effect.gen(function* () {
      const rows = yield* probedRows(file)
      const pair = found(rows, columns)
      if (pair === undefined) {
        const names = Object.keys(rows[0] ?? {})
          .slice(0, NAMED)
          .join(", ")
        const forms =
          "source and target, input and output, question and answer, document and summary, or text and label"
        return yield* dataError(
          file,
          `found the columns ${names}; expected ${forms}: name yours with --source and --target`
        )
      }
      return {
        format: "seq2seq",
        choices: [
          choice("data.format", "seq2seq", pair.reason),
          choice("data.source", pair.source, "the column that holds the text that is read"),
          choice("data.target", pair.target, "the column that holds the text that is to be written")
        ]
      }
    })
}

/** What the rules look at. Rows are counted, lengths are tokens. */
interface Facts extends Evaluated {
  readonly rows: number
  /** targets of a closed set; null: they are any texts */
  readonly targets: number | null
  readonly read: { readonly p95: number; readonly mean: number; readonly longest: number }
  readonly written: { readonly p95: number; readonly mean: number; readonly longest: number }
  readonly hiddenSize: number
  readonly narrowest: number
  /** numbers in linear layers */
  readonly linear: number
}

const factsOf = ({ model, data }: ResolvedSeq2SeqPlan, held: number): Facts => {
  const descriptions = data.describe()
  const side = (name: "sources" | "targets") => ({
    p95: descriptions[0]![name].p95,
    mean: descriptions[0]![name].mean,
    longest: Math.max(...descriptions.map((own) => own[name].max))
  })
  return {
    ...evaluatedOf(data.splits, held),
    ...sizesOf(model.sites),
    rows: data.splits.train.rows - held,
    targets: data.targets?.length ?? null,
    read: side("sources"),
    written: side("targets"),
    hiddenSize: model.hiddenSize
  }
}

// a batch's memory grows with its longest text
const MUCH_LONGER = 2

const lengths = ({ read, written }: Facts): ReadonlyArray<Choice> => {
  const all = read.longest <= MUCH_LONGER * read.p95
  const cut = all
    ? `the longest text has ${count(read.longest)} tokens, so that none loses its end`
    : `95 % of the texts have at most ${count(read.p95)} tokens; the longest has ${count(read.longest)} and loses its end`
  return [
    { path: "data.maxLength", value: roundLength(all ? read.longest : read.p95), reason: cut },
    {
      path: "data.maxTargetLength",
      value: roundLength(written.longest),
      reason: `the longest target has ${count(written.longest)} tokens; one that is cut cannot be written as a whole`
    }
  ]
}

const STEP = { largest: 32, smallest: 8, steps: 100 } as const

const length = (facts: Facts): ReadonlyArray<Choice> => {
  const { rows, targets, read, written, linear } = facts
  const enough = targets === null ? rowsSeen.answers : targets > 2 ? rowsSeen.more : rowsSeen.two
  const passes = targets === null ? MOST_PASSES_OF_ANSWERS : MOST_PASSES
  const seen = Math.min(Math.max(enough, rows), passes * rows, MOST_ROWS_SEEN)
  const batchSize = rowsOfStep(seen, STEP)
  const steps = Math.max(1, Math.round(seen / batchSize))
  // a token goes through one of two stacks
  const seconds = secondsOf(steps * batchSize * (read.mean + written.mean), linear / 2, speeds.encoder)
  return [
    {
      path: "training.steps",
      value: steps,
      reason: `${passesOf(steps * batchSize, rows)}; ${timeText(seconds)}, by what an encoder takes; how many an encoder-decoder needs was not measured here`
    },
    {
      path: "training.batchSize",
      value: batchSize,
      reason: "the paper's 32, or fewer where a run would have too few steps"
    }
  ]
}

const choose = (facts: Facts): ReadonlyArray<Choice> => {
  const [steps, batchSize] = length(facts)
  return [
    ...lengths(facts),
    { path: "adapter.method", value: "lora", reason: "factors A and B beside every linear layer of both stacks" },
    ...ranks(facts.narrowest, findings.decoderRank),
    measured("optimizer.kind", "lora-pro", "", findings.paperForm),
    measured("optimizer.form", "full", "", findings.paperForm),
    measured("optimizer.learningRate", rates.seq2seq, "", findings.seq2seqRate),
    measured("optimizer.schedule.kind", "cosine", "", findings.seq2seqRate),
    measured("optimizer.schedule.warmup", paperWarmup, "", findings.seq2seqRate),
    steps!,
    batchSize!,
    ...evaluation(facts, steps!.value as number, {
      rows: evaluatedRows.causal,
      why: "each is written out token by token"
    })
  ]
}

const plainLora: ReadonlyArray<Choice> = [
  measured("optimizer.form", "efficient", "memory", findings.decoderMoments),
  measured("optimizer.learningRate", rates.decoder, "", findings.factorsRate)
]

export const suggestSeq2Seq: Suggesting<ResolvedSeq2SeqPlan> = {
  uncut: 131_072,
  heldOut: heldOutLabelled,
  choose(seen, held) {
    const facts = factsOf(seen, held)
    return {
      choices: choose(facts),
      cautions: [...(facts.targets === null ? [] : fewOfEach(facts.rows, facts.targets)), ...nothingToEvaluate(facts)]
    }
  },
  turns: (choices) =>
    knobs(choices, {
      method: { choices: plainLora },
      packing: findings.decoderPacking,
      blocks: true,
      shortest: 64
    }),
  estimate: (plan, { model, trainable, selected }) => estimateMemory(plan, model, trainable, selected.sites)
}
