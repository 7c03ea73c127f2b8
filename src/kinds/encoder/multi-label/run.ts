/** Multi-label text classification with a Hugging Face encoder: training and inference. Thresholds are set after training. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import type { MultiLabelPlan } from "../../../../schemas/index.ts"
import { readJsonFile, writeJson } from "../../../files/index.ts"
import { AdapterError } from "../../../output/adapter-folder.ts"
import { binaryCrossEntropy } from "../../../training/index.ts"
import type { Runner } from "../../contract/index.ts"
import { onlyFile } from "../../rows/predictions.ts"
import type { ResolvedEncoderPlan } from "../resolve.ts"
import { byName, outputsOf, type TargetModel, targetRunner } from "../run.ts"
import { type MultiLabelData, type MultiLabelSplit, openMultiLabel } from "./data.ts"
import { bestThresholds, lossOf, multiLabelRows, probabilityOf, USUAL_THRESHOLD } from "./scores.ts"

export interface MultiLabelModel extends TargetModel {
  /** minimum probability of each predicted label; set after training */
  readonly thresholds: Float64Array
}

export type ResolvedMultiLabelPlan = ResolvedEncoderPlan<MultiLabelPlan, MultiLabelData>

export const THRESHOLDS_FILE = "thresholds.json"

/** Returns the labels whose probability reaches their threshold, from the outputs of a row. */
const givenOf = (outputs: ArrayLike<number>, { labels, thresholds }: MultiLabelModel): ReadonlyArray<string> =>
  labels.filter((_, i) => probabilityOf(outputs[i]!) >= thresholds[i]!)

const runner = targetRunner<MultiLabelPlan, MultiLabelData, MultiLabelModel>({
  loss: binaryCrossEntropy,
  loaded: (model) => ({ ...model, thresholds: new Float64Array(model.labels.length).fill(USUAL_THRESHOLD) }),
  learned: ({ splits }) => splits.train,
  splits: ({ labels }, { data, seed }, file) =>
    Effect.map(openMultiLabel({ ...onlyFile(data, file), labels: [...labels] }, seed), ({ splits }) => splits),
  expected: ({ labels }, { targets }) => namesText(labels.filter((_, i) => targets[i] === 1)),
  scores: ({ outputs, targets }, { thresholds }) => multiLabelRows(outputs, targets, thresholds),
  said: (outputs, model) => {
    const predicted = givenOf(outputs, model)
    return {
      label: namesText(predicted),
      labels: predicted,
      probabilities: byName(model.labels, Float64Array.from(outputs, probabilityOf)),
      logits: byName(model.labels, outputs)
    }
  },
  // ordered by the loss of the labels
  wrong: (outputs, targets, model) => {
    const predicted = givenOf(outputs, model)
    if (model.labels.every((label, i) => predicted.includes(label) === (targets[i] === 1))) return null
    return model.labels.reduce((sum, _, i) => sum + lossOf(outputs[i]!, targets[i]!), 0)
  }
})

export const runMultiLabel: Runner<MultiLabelPlan, ResolvedMultiLabelPlan, MultiLabelModel, MultiLabelSplit> = {
  ...runner,
  settle: (adapted, { plan, data }) =>
    Effect.gen(function* () {
      const { validation } = data.splits
      if (validation === undefined) return
      const { outputs, targets } = yield* outputsOf(adapted, plan, validation)
      const { thresholds } = adapted.model
      thresholds.set(bestThresholds(outputs, targets, thresholds.length))
    }),
  save: (adapted, resolved, folder) =>
    Effect.gen(function* () {
      const path = yield* Path.Path
      const { labels, thresholds } = adapted.model
      yield* runner.save(adapted, resolved, folder)
      yield* writeJson(path.join(folder, THRESHOLDS_FILE), byName(labels, thresholds))
    }),
  restore: (adapted, plan, folder) =>
    Effect.andThen(runner.restore(adapted, plan, folder), readThresholds(adapted.model, folder))
}

const Thresholds = Schema.Record(Schema.String, Schema.Finite)

/** Reads the thresholds of a run. Checkpoints have none, as thresholds are set after training. */
const readThresholds = ({ labels, thresholds }: MultiLabelModel, folder: string) =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const fs = yield* FileSystem.FileSystem
    const file = path.join(folder, THRESHOLDS_FILE)
    if (!(yield* fs.exists(file).pipe(Effect.orElseSucceed(() => false)))) return
    const wrong = (reason: string) => new AdapterError({ folder, problems: [`${THRESHOLDS_FILE}: ${reason}`] })
    const json = yield* readJsonFile(file).pipe(Effect.mapError(({ message }) => wrong(message)))
    const decoded = yield* Schema.decodeUnknownEffect(Thresholds)(json).pipe(
      Effect.mapError(() => wrong("expected an object with a threshold per label"))
    )
    const missing = labels.filter((label) => decoded[label] === undefined)
    if (missing.length > 0) return yield* wrong(`has no threshold for ${missing.slice(0, 5).join(", ")}`)
    thresholds.set(labels.map((label) => decoded[label]!))
  })

/** Formats labels: "praise, craft". */
const namesText = (labels: ReadonlyArray<string>): string => (labels.length === 0 ? "no label" : labels.join(", "))
