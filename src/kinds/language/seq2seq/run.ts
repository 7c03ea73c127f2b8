/** Encoder-decoder models: training and inference. */
import * as Effect from "effect/Effect"
import { type Adapted, unadapted } from "../../../../adapters/index.ts"
import type { Seq2SeqPlan } from "../../../../schemas/index.ts"
import type { TextFields } from "../../../data/index.ts"
import {
  openSeq2Seq,
  type Seq2SeqEvaluationBatch,
  type Seq2SeqSplit,
  seq2seqEvaluationBatches,
  seq2seqExamples,
  seq2seqTrainingBatches
} from "../../../data/seq2seq/index.ts"
import { Device } from "../../../device/device.ts"
import { writeObserved, writeTargets } from "../../../generation/index.ts"
import { placeOf, readJson } from "../../../models/index.ts"
import { loadSeq2Seq, openSeq2SeqModel, type Seq2SeqModel, seq2seqFamilies } from "../../../models/seq2seq/index.ts"
import { json } from "../../../ranks/index.ts"
import { evaluateTokensAnd, keepWorst, tokenCrossEntropy, tokenSums, type WrongRow } from "../../../training/index.ts"
import { adapterFolder } from "../../contract/adapter-folder.ts"
import type { Prediction, Runner, WriteOptions, WrittenText } from "../../contract/index.ts"
import { plannedBatches } from "../../rows/batches.ts"
import { askedProblem, askedTexts, askingTexts, onlyFile } from "../../rows/predictions.ts"
import { encodingOf, type ResolvedSeq2SeqPlan } from "./resolve.ts"
import { type Seq2SeqEvaluation, writtenScores } from "./scores.ts"

const columnsOf = ({ data }: Seq2SeqPlan) => ({ text: data.source })

/** Generates texts in batches of the evaluation's size. */
const generateTexts = (
  adapted: Adapted<Seq2SeqModel>,
  plan: Seq2SeqPlan,
  texts: ReadonlyArray<TextFields>,
  { plain = false, base = false, maxTokens = plan.data.maxTargetLength, beams }: WriteOptions
) =>
  Effect.gen(function* () {
    const { model } = adapted
    const writer = base ? yield* unadapted(model) : adapted
    const planned = encodingOf(plan, model, model.tokenizer)
    const encoding = plain ? { ...planned, prefix: "" } : planned
    const rows = texts.map(({ text }) => ({ text, target: "", where: "the text" }))
    const all: Array<WrittenText> = []
    for (let at = 0; at < rows.length; at += plan.training.evaluateBatchSize) {
      const some = yield* seq2seqExamples(rows.slice(at, at + plan.training.evaluateBatchSize), encoding)
      const sources = some.map(({ source }) => source)
      all.push(...(yield* writtenFor(writer, sources, { maxTokens, beams })))
    }
    return all
  }).pipe(Effect.scoped)

export const runSeq2Seq: Runner<Seq2SeqPlan, ResolvedSeq2SeqPlan, Seq2SeqModel, Seq2SeqSplit> = {
  loss: () => tokenCrossEntropy,
  // weights that are trained in full are not rounded
  load: ({ plan, model, selected }) =>
    loadSeq2Seq(model, { seed: plan.seed, weights: plan.model.weights, whole: selected.parameters }),
  batches: (model, { plan, data }, start) =>
    plannedBatches(plan, plan.data.maxLength, start, (options) =>
      seq2seqTrainingBatches(data.splits.train, encodingOf(plan, model, model.tokenizer), options)
    ),
  splits: (_, plan, file) => Effect.map(openSeq2Seq(onlyFile(plan.data, file), plan.seed), ({ splits }) => splits),
  evaluate: (adapted, plan, source, { rows, mistakes, done, scored }) =>
    Effect.gen(function* () {
      const { padMultiple } = yield* Device
      const { model } = adapted
      const encoding = encodingOf(plan, model, model.tokenizer)
      const { targets = [] } = plan.data
      const scores = writtenScores(targets)
      // no correct text is longer than the longest target, of the batch or of the closed set
      const lengths = targets.map((target) => model.tokenizer.encode(target).length + 1)
      const texts = {
        compute: (batch: Seq2SeqEvaluationBatch) => {
          const longest = Math.min(encoding.maxTargetLength, Math.max(batch.targetLength, ...lengths))
          return writtenFor(adapted, sourcesOf(batch), { maxTokens: longest }).pipe(
            // a model whose outputs are not finite generates nothing; its loss reports that
            Effect.catchTag("GenerationError", () => Effect.succeed(batch.targets.map(() => nothing)))
          )
        },
        as: json<ReadonlyArray<WrittenText>>()
      }
      const sums = tokenSums()
      const use = (
        count: number,
        batch: Seq2SeqEvaluationBatch,
        losses: Float64Array,
        right: Float64Array,
        texts: ReadonlyArray<WrittenText>
      ) =>
        Effect.suspend(() => {
          const wrong = texts.flatMap(({ text, finish }, i): ReadonlyArray<WrongRow> => {
            const predicted = finish === "eos" ? text : `${text}…`
            if (scores.add(batch.targets[i]!, predicted)) return []
            const weight = losses
              .subarray(i * batch.targetLength, (i + 1) * batch.targetLength)
              .reduce((sum, loss) => sum + loss, 0)
            return [{ row: batch.rows[i]!, predicted, weight }]
          })
          mistakes?.add(wrong)
          sums.add(batch, losses, right, (position) => batch.rows[Math.floor(position / batch.targetLength)]!)
          return done(count)
        })
      const tokens = yield* seq2seqEvaluationBatches(source, encoding, {
        batchSize: plan.training.evaluateBatchSize,
        padMultiple,
        rows
      }).pipe(evaluateTokensAnd(adapted, texts, ({ size }) => size, use))
      const { loss, accuracy } = sums.read()
      scored?.({ ...scores.ofRows(), tokenAccuracy: accuracy, loss })
      const evaluation: Seq2SeqEvaluation = {
        rows: tokens.rows,
        loss: tokens.loss,
        ...scores.read(),
        tokenAccuracy: tokens.accuracy,
        tokens: tokens.tokens
      }
      return evaluation
    }),
  keepMistakes: (source, limit) => keepWorst(source, limit, ({ target }) => target),
  asking: askingTexts(columnsOf),
  problemOf: (_, plan, row) => askedProblem(row, columnsOf(plan)),
  predict: (adapted, plan, rows) =>
    Effect.gen(function* () {
      const texts = yield* askedTexts(rows, columnsOf(plan))
      const all = yield* generateTexts(adapted, plan, texts, {})
      return texts.map((text, i): Prediction => ({ ...text, label: all[i]!.text, logits: {} }))
    }),
  write: (adapted, plan, texts, options) =>
    generateTexts(
      adapted,
      plan,
      texts.map((text) => ({ text })),
      options
    ),
  writeObserved: (adapted, plan, text, { maxTokens, base, ...options }) =>
    Effect.gen(function* () {
      const { model } = adapted
      const rows = [{ text, target: "", where: "the text" }]
      const [example] = yield* seq2seqExamples(rows, encodingOf(plan, model, model.tokenizer))
      const writer = base ? yield* unadapted(model) : adapted
      const finish = yield* writeObserved(writer, example!.source, { ...options, maxNewTokens: maxTokens })
      return finish === "eos" ? finish : "length"
    }).pipe(Effect.scoped),
  ...adapterFolder
}

const nothing: WrittenText = { text: "", tokens: 0, finish: "eos" }

/** Returns the source ids of each row of a batch, without padding. */
const sourcesOf = ({ size, sourceLength, inputIds, attentionMask }: Seq2SeqEvaluationBatch) =>
  Array.from({ length: size }, (_, row) => {
    const ids = inputIds.subarray(row * sourceLength, (row + 1) * sourceLength)
    return [...ids].filter((_, t) => attentionMask[row * sourceLength + t] === 1)
  })

/** Generates targets; `sources`: token ids of each text. */
const writtenFor = (
  adapted: Adapted<Seq2SeqModel>,
  sources: ReadonlyArray<ReadonlyArray<number>>,
  { maxTokens, beams = 1 }: { readonly maxTokens: number; readonly beams?: number | undefined }
) =>
  Effect.map(writeTargets(adapted, sources, { maxNewTokens: maxTokens, beams }), (targets) =>
    targets.map(({ ids, finish }): WrittenText => {
      const withoutEnd = finish === "eos" ? ids.slice(0, -1) : ids
      return { text: adapted.model.tokenizer.decode(withoutEnd), tokens: withoutEnd.length, finish }
    })
  )

// reading the weights once serves all inputs
const BATCH_SIZE = 8

/** Loads the encoder-decoder in a Hugging Face folder, until the scope closes; undefined for other model families. */
export const openWriter = (source: string) =>
  Effect.gen(function* () {
    if (/\.gguf(@[^/]*)?$/i.test(source)) return undefined
    const config = yield* Effect.flatMap(placeOf(source), (folder) => readJson(folder, "config.json")).pipe(
      Effect.orElseSucceed(() => null)
    )
    const type = (config as { readonly model_type?: unknown } | null)?.model_type
    if (typeof type !== "string" || !Object.hasOwn(seq2seqFamilies, type)) return undefined
    const adapted = yield* unadapted(yield* openSeq2SeqModel(source, { seed: 0 }))
    const { encode } = adapted.model.tokenizer
    return {
      batchSize: BATCH_SIZE,
      write: (texts: ReadonlyArray<string>, { maxTokens = 128, beams }: WriteOptions) =>
        writtenFor(
          adapted,
          texts.map((text) => encode(text, { special: true })),
          { maxTokens, beams }
        )
    }
  })
