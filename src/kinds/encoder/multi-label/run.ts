/** Texts with any number of labels and a Hugging Face encoder. From which probability on a label is given is decided when training is over. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import type { MultiLabelPlan } from "../../../../schemas/index.ts"
import { readJsonFile, writeJson } from "../../../files/index.ts"
import { AdapterError, restoreAdapter, saveAdapter } from "../../../output/adapter-folder.ts"
import { keepWorst, type WrongRow } from "../../../training/index.ts"
import { begin } from "../../contract/begin.ts"
import type { Prediction, Runner } from "../../contract/kind.ts"
import { askedProblem, askedTexts, askingTexts, onlyFile } from "../../rows/predictions.ts"
import {
  loadTargetModel,
  type Outputs,
  outputsOf,
  outputsOfTexts,
  planTargetBatches,
  type TargetModel
} from "../targets.ts"
import { type MultiLabelSplit, openMultiLabel } from "./data.ts"
import { binaryCrossEntropy } from "./loss.ts"
import type { ResolvedMultiLabelPlan } from "./resolve.ts"
import { bestThresholds, lossOf, multiLabelRows, multiLabelScores, probabilityOf, USUAL_THRESHOLD } from "./scores.ts"

export interface MultiLabelModel extends TargetModel {
  /** from which probability on each label is given; settled after training */
  readonly thresholds: Float64Array
}

export const THRESHOLDS_FILE = "thresholds.json"

export const runMultiLabel: Runner<MultiLabelPlan, ResolvedMultiLabelPlan, MultiLabelModel, MultiLabelSplit> = {
  loss: () => binaryCrossEntropy,
  load: (resolved) =>
    Effect.map(loadTargetModel(resolved), (model): MultiLabelModel => {
      const thresholds = new Float64Array(model.labels.length).fill(USUAL_THRESHOLD)
      return { ...model, thresholds }
    }),
  batches: (model, { plan, data }, start) => planTargetBatches(model, { plan, source: data.splits.train, start }),
  splits: ({ model }, plan, file) => {
    const section = { ...onlyFile(plan.data, file), labels: [...model.labels] }
    return Effect.map(openMultiLabel(section, plan.seed), ({ splits }) => splits)
  },
  settle: (adapted, { plan, data }) =>
    Effect.gen(function* () {
      const { validation } = data.splits
      if (validation === undefined) return
      const { outputs, targets } = yield* outputsOf(adapted, plan, validation)
      const { thresholds } = adapted.model
      thresholds.set(bestThresholds(outputs, targets, thresholds.length))
    }),
  evaluate: (adapted, plan, source, { mistakes, scored, ...options }) =>
    Effect.map(outputsOf(adapted, plan, source, options), (found) => {
      mistakes?.add(wrongRowsOf(found, adapted.model))
      scored?.(multiLabelRows(found.outputs, found.targets, adapted.model.thresholds))
      return multiLabelScores(found.outputs, found.targets, adapted.model.thresholds)
    }),
  keepMistakes: ({ labels, ...source }, limit) =>
    keepWorst(source, limit, ({ targets }) => namesText(labels.filter((_, i) => targets[i] === 1))),
  asking: askingTexts(({ data }) => data),
  problemOf: (_, plan, row) => askedProblem(row, plan.data),
  predict: (adapted, plan, asked) =>
    Effect.gen(function* () {
      const { labels, thresholds } = adapted.model
      const texts = yield* askedTexts(asked, plan.data)
      const outputs = yield* outputsOfTexts(adapted, plan, texts)
      return texts.map((text, row): Prediction => {
        const logits = outputs.subarray(row * labels.length, (row + 1) * labels.length)
        const probabilities = Float64Array.from(logits, probabilityOf)
        const given = labels.filter((_, i) => probabilities[i]! >= thresholds[i]!)
        const named = (values: ArrayLike<number>) => Object.fromEntries(labels.map((name, i) => [name, values[i]!]))
        return {
          ...text,
          label: namesText(given),
          labels: given,
          probabilities: named(probabilities),
          logits: named(logits)
        }
      })
    }),
  save: (adapted, resolved, folder) =>
    Effect.gen(function* () {
      const path = yield* Path.Path
      const { labels, thresholds } = adapted.model
      yield* saveAdapter(adapted, resolved, folder)
      const file = Object.fromEntries(labels.map((label, i) => [label, thresholds[i]!]))
      yield* writeJson(path.join(folder, THRESHOLDS_FILE), file)
    }),
  restore: (adapted, _, folder) =>
    Effect.andThen(restoreAdapter(adapted, folder), readThresholds(adapted.model, folder)),
  begin
}

const Thresholds = Schema.Record(Schema.String, Schema.Finite)

/** A checkpoint's state has none: they are settled at the end. */
const readThresholds = ({ labels, thresholds }: MultiLabelModel, folder: string) =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const fs = yield* FileSystem.FileSystem
    const file = path.join(folder, THRESHOLDS_FILE)
    if (!(yield* fs.exists(file).pipe(Effect.orElseSucceed(() => false)))) return
    const wrong = (reason: string) => new AdapterError({ folder, problems: [`${THRESHOLDS_FILE}: ${reason}`] })
    const found = yield* readJsonFile(file).pipe(Effect.mapError(({ message }) => wrong(message)))
    const decoded = yield* Schema.decodeUnknownEffect(Thresholds)(found).pipe(
      Effect.mapError(() => wrong("expected an object of labels and their thresholds"))
    )
    const missing = labels.filter((label) => decoded[label] === undefined)
    if (missing.length > 0) return yield* wrong(`has no threshold of ${missing.slice(0, 5).join(", ")}`)
    thresholds.set(labels.map((label) => decoded[label]!))
  })

/** "praise, craft" */
const namesText = (labels: ReadonlyArray<string>): string => (labels.length === 0 ? "no label" : labels.join(", "))

/** Rows whose labels are not all right, by their loss. */
const wrongRowsOf = (
  { rows, outputs, targets }: Outputs,
  { labels, thresholds }: MultiLabelModel
): ReadonlyArray<WrongRow> => {
  const width = labels.length
  return Array.from({ length: rows }, (_, row) => {
    const at = (i: number) => row * width + i
    const given = labels.map((_, i) => probabilityOf(outputs[at(i)]!) >= thresholds[i]!)
    const right = given.every((has, i) => has === (targets[at(i)] === 1))
    const weight = labels.reduce((sum, _, i) => sum + lossOf(outputs[at(i)]!, targets[at(i)]!), 0)
    return { row, right, predicted: namesText(labels.filter((_, i) => given[i])), weight }
  }).flatMap(({ right, ...wrong }) => (right ? [] : [wrong]))
}
