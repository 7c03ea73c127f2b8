/**
 * From a run to a model that stands alone: base + s·BA as a Hugging Face folder (of a causal model:
 * `merge-causal.ts`; of a tf.LayersModel: as one, `merge-layers.ts`), put in place only after the merged model, loaded again from disk, has computed what the run computes.
 *
 * Everything is written into a temporary folder beside the place it is for and renamed at the end: whatever fails or is
 * interrupted, there is the whole merged model or nothing. The run's model has left the device before the merged one is loaded.
 */
import * as Effect from "effect/Effect"
import * as Path from "effect/Path"
import * as Stream from "effect/Stream"
import type { Adapted } from "../adapters/index.ts"
import { type ClassificationPlan, isCausalPlan, isClassificationPlan } from "../schemas/index.ts"
import { type ClassificationSplit, evaluationBatches, openClassification } from "./data/index.ts"
import { Device, ofDevice } from "./device/index.ts"
import { writeFileAtomic } from "./files/atomic-file.ts"
import { type LoadedRun, loadRun } from "./load-run.ts"
import {
  baseIdentity,
  compareLogits,
  isPeftMethod,
  MERGE_BOUND,
  type MergeCheck,
  MergeRefused,
  mergedCard,
  openMerged,
  type TensorCounts,
  writeMerged
} from "./output/index.ts"
import { readBaseCard } from "./output/model-card/base-card.ts"
import { inNewFolder } from "./output/new-folder.ts"
import { logitsOf } from "./training/index.ts"
import { CHECKED_ROWS, type WrittenModel } from "./written-model.ts"

export interface MergeOptions {
  /** the folder to make, which must not exist; `<run>/merged` unless given */
  readonly out?: string | undefined
  /** where the base model is now, if it has moved */
  readonly base?: string | undefined
}

export interface MergeReport {
  readonly directory: string
  readonly tensors: TensorCounts
  readonly check: MergeCheck
}

/** Merges the run in `directory`. */
export const mergeRun = (directory: string, { out, base }: MergeOptions = {}) =>
  mergeLoaded(directory, loadRun(directory, { base }), out)

/** Merges a run that `load` opens: its model lives no longer than it is needed. */
export const mergeLoaded = <E extends { readonly message: string }, R>(
  directory: string,
  load: Effect.Effect<LoadedRun, E, R>,
  out?: string
) =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const target = out ?? path.join(directory, "merged")
    return yield* inNewFolder(target, (folder) =>
      Effect.gen(function* () {
        const written: WrittenModel = yield* Effect.scoped(
          Effect.flatMap(load, (run) => {
            if (isTextRun(run)) return writeFrom(run, directory, folder)
            return isCausalPlan(run.plan)
              ? Effect.flatMap(causalMerge, (merge) => merge(run, directory, folder))
              : Effect.flatMap(layersMerge, (merge) => merge(run, folder))
          })
        )
        const { split, unmerged, classes } = written
        const comparison = compareLogits(unmerged, yield* Effect.scoped(written.merged), classes)
        const check: MergeCheck = { split, ...comparison, bound: MERGE_BOUND }
        // not `>`: a difference that is no number is no match either
        if (!(check.relativeDifference <= MERGE_BOUND)) return yield* new MergeRefused({ run: directory, ...check })
        yield* writeFileAtomic(path.join(folder, "README.md"), written.readme(check))
        const report: MergeReport = { directory: target, tensors: written.counts, check }
        return report
      })
    )
  }).pipe(ofDevice)

/** Loaded when such a run comes. */
const causalMerge = Effect.map(
  Effect.promise(() => import("./merge-causal.ts")),
  ({ writeMergedCausalRun }) => writeMergedCausalRun
)
const layersMerge = Effect.map(
  Effect.promise(() => import("./merge-layers.ts")),
  ({ writeMergedLayers }) => writeMergedLayers
)

interface TextRun extends LoadedRun {
  readonly plan: ClassificationPlan
  readonly adapted: Adapted
}

/** A plan over texts has a model of texts. */
const isTextRun = (run: LoadedRun): run is TextRun => isClassificationPlan(run.plan)

/** Writes the model of a run, and takes what of the run is needed after it has left the device. */
const writeFrom = ({ plan, adapted, steps }: TextRun, directory: string, folder: string) =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const device = yield* Device
    const { model } = adapted
    const { labels } = model
    device.label("the unmerged model")
    const { logits: unmerged, split } = yield* checkedLogits(adapted, plan, labels)
    const counts = yield* writeMerged(adapted, folder)
    yield* device.sync
    const card = {
      name: path.basename(path.resolve(directory)),
      method: adapted.method,
      model,
      weights: plan.model.weights,
      base: yield* baseIdentity(model.folder),
      license: (yield* readBaseCard(path.join(model.folder, "README.md"))).license,
      change: changeOf(adapted),
      steps,
      maxLength: plan.data.maxLength,
      counts
    }
    device.label("the merged model")
    const written: WrittenModel = {
      classes: labels.length,
      split,
      unmerged,
      merged: Effect.flatMap(openMerged(folder, model), (merged) =>
        Effect.map(checkedLogits(merged, plan, labels), ({ logits }) => logits)
      ),
      counts,
      readme: (check) => mergedCard({ ...card, check })
    }
    return written
  })

/** Logits [rows, classes] of the rows that are compared, in their order. */
const checkedLogits = (adapted: Adapted, plan: ClassificationPlan, labels: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const device = yield* Device
    const { splits } = yield* openClassification({ ...plan.data, labels }, plan.seed)
    const split = (["validation", "test", "train"] as const).find((name) => splits[name] !== undefined)!
    const source: ClassificationSplit = splits[split]!
    const rows = Math.min(CHECKED_ROWS, source.rows)
    const logits = new Float32Array(rows * labels.length)
    yield* evaluationBatches(source, adapted.model.tokenizer, {
      batchSize: plan.training.evaluateBatchSize,
      maxLength: Math.min(plan.data.maxLength, adapted.model.maxLength),
      padMultiple: device.padMultiple,
      rows
    }).pipe(
      Stream.runForEach((batch) =>
        Effect.map(logitsOf(adapted, batch), (own) => {
          for (const [i, row] of batch.rows.entries()) {
            logits.set(own.subarray(i * labels.length, (i + 1) * labels.length), row * labels.length)
          }
        })
      )
    )
    yield* device.sync
    return { logits, split }
  })

const names: Readonly<Record<string, string>> = { lora: "LoRA", dora: "DoRA", adalora: "AdaLoRA" }

/** What was trained, in words. */
const changeOf = ({ method, sites, trainable }: Adapted): string => {
  if (method === "none") return "a classification head alone"
  if (!isPeftMethod(method)) return `${method} fine-tuning of ${sites.length} linear layers and the head`
  const distinct = (of: (pair: Adapted["trainable"]["pairs"][number]) => number) =>
    [...new Set(trainable.pairs.map((pair) => Number(of(pair).toPrecision(4))))].sort((a, b) => a - b).join(", ")
  const start = trainable.pairs.some((pair) => pair.start !== undefined) ? ", less its start," : ""
  return `${names[method] ?? method} of rank ${distinct(({ A }) => A.shape[0])} (s = ${distinct(({ scale }) => scale)})${start} in ${sites.length} linear layers, with a classification head`
}
