/** What is made of a run over a `tf.LayersModel`: a card, and the merged model as model.json and weights.bin, which `tf.loadLayersModel` reads. */
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import * as Path from "effect/Path"
import * as Stream from "effect/Stream"
import { type Adapted, unadapted } from "../../adapters/index.ts"
import type { ClassificationData, ClassificationSplit } from "../data/index.ts"
import { Device } from "../device/device.ts"
import { writeFileAtomic, writeJson } from "../files/index.ts"
import { copyOf, writeMerged } from "../layers-model/index.ts"
import { describeLayersClassifier, type LayersClassifier, labelled, loadLayersClassifier } from "../models/index.ts"
import { CHECKED_ROWS, checkedSplit, type MergeCheck, type WrittenModel } from "../output/index.ts"
import { logitsOf } from "../training/index.ts"
import type { Publisher, Reported, World } from "./kind.ts"
import { type CalledRows, layersCard } from "./layers-card.ts"
import { type LayersPlan, type LayersRows, type ResolvedLayersPlan, shapeOf } from "./layers-rows.ts"

type AdaptedClassifier = Adapted<LayersClassifier>
type PublisherOf<Plan extends LayersPlan, Data extends ClassificationData> = Publisher<
  Plan,
  ResolvedLayersPlan<Plan, Data>,
  LayersClassifier,
  ClassificationSplit
>

/** `called`: what a card calls the rows. */
export const layersPublisher = <Plan extends LayersPlan, Data extends ClassificationData>(
  rows: LayersRows<Plan, Data>,
  called: CalledRows
): PublisherOf<Plan, Data> => ({
  readerOf: () => "loadAdapter of tfjs-lora-pro/layers",
  card: layersCard(called),
  merge: ({ plan, adapted, steps }, open, _, folder) => {
    /** Of the rows that are compared, of those that were not trained on where there are any: [rows, classes]. */
    const checkedLogits = (adapted: AdaptedClassifier) =>
      Effect.gen(function* () {
        const device = yield* Device
        const splits = yield* open(adapted, plan)
        const split = checkedSplit(splits)
        const source = splits[split]!
        const parts = yield* rows
          .evaluation(source, plan, shapeOf(adapted.model), Math.min(CHECKED_ROWS, source.rows))
          .pipe(
            Stream.mapEffect((batch) => logitsOf(adapted, batch)),
            Stream.runCollect
          )
        yield* device.sync
        return { logits: Float32Array.from(parts.flatMap((part) => Array.from(part))), split }
      })
    return merged(adapted, steps, checkedLogits, folder)
  }
})

const merged = (
  adapted: AdaptedClassifier,
  steps: number,
  checkedLogits: (
    adapted: AdaptedClassifier
  ) => Effect.Effect<Pick<WrittenModel, "split"> & { readonly logits: Float32Array }, Reported, Device | World>,
  folder: string
) =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const device = yield* Device
    const { labels } = adapted.model
    device.label("the unmerged model")
    const { logits: unmerged, split } = yield* checkedLogits(adapted)
    const source = path.join(folder, "model.json")
    yield* saveCopy(adapted, source)
    yield* device.sync
    device.label("the merged model")
    const merged = Effect.gen(function* () {
      const description = yield* describeLayersClassifier(source, { head: [] })
      const model = yield* loadLayersClassifier(yield* labelled(description, labels), [])
      const alone = yield* unadapted(model)
      return (yield* checkedLogits(alone)).logits
    })
    const all = adapted.model.base.getWeights().length
    const changed = adapted.sites.length + adapted.trainable.dense.length
    const written: WrittenModel = {
      width: labels.length,
      words: { output: "logit", answer: "label" },
      split,
      unmerged,
      merged,
      counts: { merged: changed, rounded: 0, copied: all - changed, leftOut: [] },
      readme: (check) => readme(steps, adapted, check)
    }
    return written
  })

/** The model under its adapter, as tfjs saves one. */
const saveCopy = (adapted: AdaptedClassifier, source: string) =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const artifacts = yield* Effect.acquireUseRelease(
      Effect.sync(() => copyOf(adapted.model.base)),
      (copy) =>
        Effect.promise(async () => {
          writeMerged(copy, adapted.model, adapted)
          let saved: tf.io.ModelArtifacts = {}
          const save = async (all: tf.io.ModelArtifacts) => {
            saved = all
            return { modelArtifactsInfo: { dateSaved: new Date(), modelTopologyType: "JSON" as const } }
          }
          await copy.model.save(tf.io.withSaveHandler(save))
          return saved
        }),
      ({ model }) => Effect.sync(() => model.dispose())
    )
    const { modelTopology, weightSpecs, weightData } = artifacts
    const weights = tf.io.CompositeArrayBuffer.join(weightData as ArrayBuffer)
    yield* writeFileAtomic(path.join(path.dirname(source), "weights.bin"), new Uint8Array(weights))
    yield* writeJson(source, {
      format: "layers-model",
      generatedBy: "tfjs-lora-pro",
      modelTopology,
      weightsManifest: [{ paths: ["weights.bin"], weights: weightSpecs }]
    })
  })

const readme = (steps: number, { method, sites, model }: AdaptedClassifier, check: MergeCheck): string =>
  `# ${model.base.name}, merged

A tf.LayersModel: its base with what ${method.tag} trained in ${sites.length} of its layers in ${steps} steps of tfjs-lora-pro, merged.

On ${check.rows} ${check.split} rows its logits differ from the unmerged model's by at most ${check.largestDifference.toExponential(1)},
${check.relativeDifference.toExponential(1)} of the largest.

\`\`\`ts
const model = await tf.loadLayersModel(".../model.json")
\`\`\`
`
