/** Encoder-decoder models: suggests values of a plan, one rule each. */
import { wholeNumber } from "../../../boundary/index.ts"
import {
  type Choice,
  type Evaluated,
  evaluatedOf,
  evaluatedRows,
  evaluation,
  fewOfEach,
  findings,
  heldOutRows,
  knobs,
  MOST_PASSES,
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
  timeText
} from "../../../suggest/index.ts"
import { estimateMemory, type ResolvedSeq2SeqPlan } from "./resolve.ts"

/** Inputs of the rules. Units: rows, tokens. */
interface Facts extends Evaluated {
  readonly rows: number
  /** number of targets in a closed set; null for free texts */
  readonly targets: number | null
  readonly read: { readonly p95: number; readonly mean: number; readonly longest: number }
  readonly written: { readonly p95: number; readonly mean: number; readonly longest: number }
  readonly hiddenSize: number
  readonly narrowest: number
  /** parameters in linear layers */
  readonly linear: number
}

const factsOf = ({ model, data }: ResolvedSeq2SeqPlan, heldOut: number): Facts => {
  const descriptions = data.describe()
  const side = (name: "sources" | "targets") => ({
    p95: descriptions[0]![name].p95,
    mean: descriptions[0]![name].mean,
    longest: Math.max(...descriptions.map((description) => description[name].max))
  })
  return {
    ...evaluatedOf(data.splits, heldOut),
    ...sizesOf(model.sites),
    rows: data.splits.train.rows - heldOut,
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
    ? `the longest text has ${wholeNumber(read.longest)} tokens, so none is truncated`
    : `95 % of the texts have at most ${wholeNumber(read.p95)} tokens; the longest has ${wholeNumber(read.longest)} and is truncated`
  return [
    { path: "data.maxLength", value: roundLength(all ? read.longest : read.p95), reason: cut },
    {
      path: "data.maxTargetLength",
      value: roundLength(written.longest),
      reason: `the longest target has ${wholeNumber(written.longest)} tokens; a truncated target cannot be learned in full`
    }
  ]
}

const STEP = { largest: 32, smallest: 8, steps: 100 } as const

const length = (facts: Facts): ReadonlyArray<Choice> => {
  const { rows, targets, read, written, linear } = facts
  const enough = targets === null ? rowsSeen.answers : targets > 2 ? rowsSeen.more : rowsSeen.two
  const passes = targets === null ? MOST_PASSES_OF_ANSWERS : MOST_PASSES
  const rowsToSee = Math.min(Math.max(enough, rows), passes * rows, MOST_ROWS_SEEN)
  const batchSize = rowsOfStep(rowsToSee, STEP)
  const steps = Math.max(1, Math.round(rowsToSee / batchSize))
  // a token passes through one of the two stacks
  const seconds = secondsOf(steps * batchSize * (read.mean + written.mean), linear / 2, speeds.encoder)
  return [
    {
      path: "training.steps",
      value: steps,
      reason: `${passesOf(steps * batchSize, rows)}; ${timeText(seconds)}, as for encoders; how many an encoder-decoder needs was not measured`
    },
    {
      path: "training.batchSize",
      value: batchSize,
      reason: "the paper's 32, or fewer if the run would have too few steps"
    }
  ]
}

const choose = (facts: Facts): ReadonlyArray<Choice> => {
  const [steps, batchSize] = length(facts)
  return [
    ...lengths(facts),
    { path: "adapter.method", value: "lora", reason: "low-rank factors A and B on every linear layer of both stacks" },
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
      why: "each is generated token by token"
    })
  ]
}

const plainLora: ReadonlyArray<Choice> = [
  measured("optimizer.form", "efficient", "memory", findings.decoderMoments),
  measured("optimizer.learningRate", rates.decoder, "", findings.factorsRate)
]

export const suggestSeq2Seq: Suggesting<ResolvedSeq2SeqPlan> = {
  uncut: 131_072,
  heldOut: heldOutRows,
  choose(full, heldOut) {
    const facts = factsOf(full, heldOut)
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
