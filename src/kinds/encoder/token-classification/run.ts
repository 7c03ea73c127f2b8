/** Labels for words with a Hugging Face encoder: training and inference. */
import * as Effect from "effect/Effect"
import type { Adapted } from "../../../../adapters/index.ts"
import type { TokenClassificationPlan } from "../../../../schemas/index.ts"
import { quoted } from "../../../boundary/index.ts"
import { dataError, type RowSource } from "../../../data/index.ts"
import type { Model } from "../../../models/index.ts"
import { floats, inRounds } from "../../../ranks/index.ts"
import { crossEntropy, keepWorst, logitsOf, overAll } from "../../../training/index.ts"
import type { Asked, PredictedSpan, Prediction, Runner } from "../../contract/index.ts"
import { evaluatedBatches, plannedBatches } from "../../rows/batches.ts"
import { onlyFile } from "../../rows/predictions.ts"
import { longestText, type ResolvedEncoderPlan } from "../resolve.ts"
import { headRunner, loadEncoder } from "../run.ts"
import {
  type LabelledWords,
  type LabelledWordsSplit,
  openTokenClassification,
  type TokenClassificationData,
  wordsIn
} from "./data.ts"
import { bestLabels, entitiesOf, OUTSIDE, type Scheme, schemeOf } from "./schemes.ts"
import { type ScoredWords, wordRowScores, wordScores } from "./scores.ts"
import { type WindowBatch, windowBatches, windowTrainingBatches } from "./windows.ts"
import { type PlacedWord, textOfWords, wordsOfText } from "./words-of-text.ts"

export type ResolvedTokenClassificationPlan = ResolvedEncoderPlan<TokenClassificationPlan, TokenClassificationData>

/** The text of a row in other objects than those of the plan's files. */
const TEXT = "text"

const readingOf = ({ tokenizer, labels }: Model, plan: TokenClassificationPlan, maxLength: number) => {
  const { stride, labelledTokens } = plan.data
  // a model with few positions has shorter windows than the plan
  return {
    tokenizer,
    labels,
    maxLength,
    stride: Math.min(stride, Math.floor(maxLength / 2)),
    all: labelledTokens === "all"
  }
}

/** A row with the logits of its words, [words, labels]; a word without a token has zeros. */
interface WordLogits {
  readonly row: number
  readonly logits: Float32Array
  /** words that have a token */
  readonly seen: ReadonlySet<number>
}

/** Calls `each` with the logits of every row, once all of its windows are computed; ranks divide the windows. */
const forEachRow = (
  adapted: Adapted,
  plan: TokenClassificationPlan,
  source: RowSource<LabelledWords>,
  rows: number | undefined,
  each: (row: LabelledWords, logits: WordLogits) => void,
  done: (rows: number) => Effect.Effect<void> = () => Effect.void
) =>
  Effect.gen(function* () {
    const { model } = adapted
    const width = model.labels.length
    const maxLength = longestText(plan, model)
    const batches = evaluatedBatches(plan, maxLength, rows, (options) =>
      windowBatches(source, readingOf(model, plan, maxLength), options)
    )
    const collected = new Map<number, Array<{ readonly word: number; readonly values: Float32Array }>>()
    let finished = 0
    const compute = (batch: WindowBatch) =>
      Effect.map(logitsOf(adapted, batch), (logits) => {
        const picked = new Float32Array(batch.words.length * width)
        for (const [i, { token }] of batch.words.entries())
          picked.set(logits.subarray(token * width, (token + 1) * width), i * width)
        return picked
      })
    const use = (batch: WindowBatch, picked: Float32Array) =>
      Effect.suspend(() => {
        for (const [i, { row, word }] of batch.words.entries()) {
          const words = collected.get(row) ?? []
          collected.set(row, words)
          words.push({ word, values: picked.subarray(i * width, (i + 1) * width) })
        }
        for (const row of batch.finished) {
          const logits = new Float32Array(row.words.length * width)
          const words = collected.get(row.index)!
          for (const { word, values } of words) logits.set(values, word * width)
          each(row, { row: row.index, logits, seen: new Set(words.map(({ word }) => word)) })
          collected.delete(row.index)
        }
        finished += batch.finished.length
        return done(finished)
      })
    yield* batches.pipe(inRounds({ compute, as: floats, use }))
  })

/** log Σ exp of a word's logits. */
const normalizer = (logits: Float32Array): number => {
  const largest = Math.max(...logits)
  return largest + Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - largest), 0))
}

/** Returns the labels of words: the most probable sequence that the scheme allows, and O for words without a token. */
const labelled = ({ logits, seen }: WordLogits, labels: ReadonlyArray<string>): ReadonlyArray<number> => {
  const width = labels.length
  const outside = labels.indexOf(OUTSIDE)
  const scores = Float32Array.from(logits)
  for (let word = 0; word * width < scores.length; word++)
    if (!seen.has(word) && outside >= 0) scores[word * width + outside] = Number.MAX_VALUE
  const scheme = schemeOf(labels)
  if (scheme !== undefined) return bestLabels(scores, labels, scheme)
  return Array.from({ length: scores.length / width }, (_, word) => {
    const row = scores.subarray(word * width, (word + 1) * width)
    return row.indexOf(Math.max(...row))
  })
}

const lossOf = (row: LabelledWords, { logits, seen }: WordLogits, labels: ReadonlyArray<string>): number => {
  const width = labels.length
  let sum = 0
  for (const word of seen) {
    const values = logits.subarray(word * width, (word + 1) * width)
    sum += normalizer(values) - values[labels.indexOf(row.labels[word]!)]!
  }
  return sum
}

/** Formats labelled words: "Anna Lind (person), Oslo (place)". */
const spansText = (spans: ReadonlyArray<Pick<PredictedSpan, "text" | "label">>): string =>
  spans.length === 0 ? "no entity" : spans.map(({ text, label }) => `${text} (${label})`).join(", ")

/** Returns the spans of labels over placed words; without a scheme each word is one. */
export const spansOf = (
  text: string,
  words: ReadonlyArray<PlacedWord>,
  labels: ReadonlyArray<string>,
  scheme: Scheme | undefined,
  probabilities: ReadonlyArray<number> = []
): ReadonlyArray<PredictedSpan> =>
  (scheme === undefined ? labels.map((type, i) => ({ type, start: i, end: i + 1 })) : entitiesOf(labels)).map(
    ({ type, start: first, end: last }) => {
      const [start, end] = [words[first]!.start, words[last - 1]!.end]
      const scores = probabilities.slice(first, last)
      const score = scores.reduce((sum, score) => sum + score, 0) / Math.max(1, scores.length)
      return { text: text.slice(start, end), start, end, label: type, score }
    }
  )

/** Returns the words of a text or of a row with words. */
const askedWords = (
  input: Asked,
  { data: { tokens } }: TokenClassificationPlan
): { readonly text: string; readonly words: ReadonlyArray<PlacedWord> } | { readonly problem: string } => {
  const text = typeof input === "string" ? input : tokens in input ? undefined : input[TEXT]
  if (typeof text === "string") {
    const words = wordsOfText(text)
    return words.length === 0 ? { problem: "the text is blank" } : { text, words }
  }
  if (typeof input === "string" || !(tokens in input))
    return { problem: `has neither "${tokens}" nor "${TEXT}"; expected a list of words or a text` }
  const words = wordsIn(input[tokens])
  if ("problem" in words) return { problem: `the words "${tokens}" ${words.problem}` }
  return { text: words.list.join(" "), words: textOfWords(words.list) }
}

/** Returns the logits of the words of rows, one after the other; [words, labels]. */
export const wordLogits = (adapted: Adapted, plan: TokenClassificationPlan, source: LabelledWordsSplit, rows: number) =>
  Effect.gen(function* () {
    const all: Array<number> = []
    yield* forEachRow(adapted, plan, source, rows, (_, { logits }) => all.push(...logits))
    return Float32Array.from(all)
  })

export const runTokenClassification: Runner<
  TokenClassificationPlan,
  ResolvedTokenClassificationPlan,
  Model,
  LabelledWordsSplit
> = {
  ...headRunner,
  asking: {
    fields: () => [{ name: TEXT, type: "text" }],
    examples: (source, _, rows) => Effect.map(source.read(rows), (some) => some.map(({ text }) => ({ [TEXT]: text })))
  },
  problemOf: (_, plan, row) => {
    const words = askedWords(row, plan)
    return "problem" in words ? words.problem : undefined
  },
  loss: () => crossEntropy,
  load: loadEncoder,
  batches: (model, { plan, data }, start) => {
    const maxLength = longestText(plan, model)
    return plannedBatches(plan, maxLength, start, (options) =>
      windowTrainingBatches(data.splits.train, readingOf(model, plan, maxLength), options)
    )
  },
  splits: ({ model }, { data, seed }, file) =>
    Effect.map(
      openTokenClassification({ ...onlyFile(data, file), labels: [...model.labels] }, seed),
      ({ splits }) => splits
    ),
  evaluate: (adapted, plan, source, { rows, mistakes, scored, done }) =>
    Effect.gen(function* () {
      const { labels } = adapted.model
      const scheme = schemeOf(labels)
      const all: Array<ScoredWords> = []
      const each = (row: LabelledWords, logits: WordLogits) => {
        const predicted = labelled(logits, labels).map((index) => labels[index]!)
        const loss = lossOf(row, logits, labels)
        all.push({ right: row.labels, predicted, loss, counted: logits.seen.size })
        if (row.labels.every((label, i) => label === predicted[i])) return
        const words = textOfWords(row.words)
        mistakes?.add([
          { row: logits.row, predicted: spansText(spansOf(row.text, words, predicted, scheme)), weight: loss }
        ])
      }
      yield* forEachRow(adapted, plan, source, rows, each, done)
      const scores = wordRowScores(all, scheme)
      scored?.(scores)
      const values = Object.fromEntries(Object.entries(scores).map(([name, score]) => [name, overAll(score)]))
      return { rows: all.length, loss: values["loss"]!, ...values, types: wordScores(all, scheme).types }
    }),
  keepMistakes: (source, limit) =>
    keepWorst(source, limit, ({ text, words, labels }) =>
      spansText(spansOf(text, textOfWords(words), labels, schemeOf(labels)))
    ),
  predict: (adapted, plan, inputs) =>
    Effect.gen(function* () {
      const { labels } = adapted.model
      const texts = yield* Effect.forEach(inputs, (input, i) => {
        const words = askedWords(input, plan)
        return "problem" in words ? Effect.fail(dataError(`row ${i + 1}`, words.problem)) : Effect.succeed(words)
      })
      const rows = texts.map(
        ({ text, words }): LabelledWords => ({
          text,
          words: words.map(({ word }) => word),
          labels: words.map(() => labels[0]!),
          where: `the text ${quoted(text)}`
        })
      )
      const source: RowSource<LabelledWords> = {
        rows: rows.length,
        where: "texts",
        read: (indices) => Effect.succeed(Array.from(indices, (index) => rows[index]!))
      }
      const predictions: Array<Prediction> = []
      yield* forEachRow(adapted, plan, source, undefined, ({ text }, row) => {
        const chosen = labelled(row, labels)
        const probabilities = chosen.map((index, word) => {
          const values = row.logits.subarray(word * labels.length, (word + 1) * labels.length)
          return row.seen.has(word) ? Math.exp(values[index]! - normalizer(values)) : 1
        })
        const names = chosen.map((index) => labels[index]!)
        const spans = spansOf(text, texts[row.row]!.words, names, schemeOf(labels), probabilities)
        predictions.push({ text, label: spansText(spans), logits: {}, spans })
      })
      return predictions
    })
}
