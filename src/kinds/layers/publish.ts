/**
 * Publishes runs over a `tf.LayersModel`: the adapter's model card, and the merged model as model.json and weights.bin for
 * `tf.loadLayersModel`.
 */

import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import * as Path from "effect/Path"
import { type Adapted, unadapted } from "../../../adapters/index.ts"
import { counted, scientific } from "../../boundary/index.ts"
import type { ClassificationData, ClassificationSplit } from "../../data/index.ts"
import { Device } from "../../device/device.ts"
import { writeFileAtomic, writeJson } from "../../files/index.ts"
import { copyOf, writeMerged } from "../../layers-model/index.ts"
import { describeLayersClassifier, type LayersClassifier, loadLayersClassifier } from "../../models/index.ts"
import {
  type CardParts,
  type CardSource,
  CHECKED_ROWS,
  checkedSplit,
  codeSpan,
  fenced,
  fileName,
  type MergeCheck,
  type WrittenModel
} from "../../output/index.ts"
import { logitsOfRows } from "../../training/index.ts"
import type { Publisher } from "../contract/index.ts"
import { classesLimits, classesPurpose } from "../rows/predictions.ts"
import {
  type LayersPlan,
  type LayersRows,
  type LayersWithRows,
  type ResolvedLayersPlan,
  rowsFor,
  shapeOf
} from "./rows.ts"

type PublisherOf<Plan extends LayersPlan, Data extends ClassificationData, Ready> = Publisher<
  Plan,
  ResolvedLayersPlan<Plan, Data>,
  LayersWithRows<Ready>,
  ClassificationSplit
>

/** Creates a publisher. `called`: names of the rows in model cards. */
export const layersPublisher = <Plan extends LayersPlan, Data extends ClassificationData, Ready>(
  rows: LayersRows<Plan, Data, Ready>,
  called: CalledRows
): PublisherOf<Plan, Data, Ready> => ({
  readerOf: () => "loadAdapter of tfjs-lora-pro/layers",
  mergesInto: "layers-model",
  served:
    "adapts a tf.LayersModel, which cannot be exported as a graph: use --format layers-model, and tf2onnx on the result",
  card: layersCard(called),
  merge: ({ plan, adapted, steps }, open, _, folder) =>
    Effect.gen(function* () {
      const path = yield* Path.Path
      const device = yield* Device
      const { labels } = adapted.model
      /** Returns logits [rows, classes] of the rows to compare, of a split without training rows if there is one. */
      const checkedLogits = (adapted: Adapted<LayersWithRows<Ready>>) =>
        Effect.gen(function* () {
          const splits = yield* open(adapted, plan)
          const split = checkedSplit(splits)
          const source = splits[split]!
          const checked = Math.min(CHECKED_ROWS, source.rows)
          const logits = yield* rows
            .evaluation(source, rowsFor(adapted.model, plan), checked)
            .pipe(logitsOfRows(adapted, checked))
          yield* device.sync
          return { logits, split }
        })
      device.label("the unmerged model")
      const { logits: unmerged, split } = yield* checkedLogits(adapted)
      const source = path.join(folder, "model.json")
      yield* saveCopy(adapted, source)
      yield* device.sync
      device.label("the merged model")
      const merged = Effect.gen(function* () {
        const description = yield* describeLayersClassifier(source, { head: "checkpoint", labels })
        const model = yield* loadLayersClassifier(description, plan.seed)
        // the run's resources for rows have ended
        const alone = yield* unadapted({ ...model, ready: yield* rows.ready(plan, shapeOf(model)) })
        return (yield* checkedLogits(alone)).logits
      })
      const all = adapted.model.base.getWeights().length
      const changed = adapted.sites.length + adapted.trainable.dense.length
      const report: WrittenModel = {
        width: labels.length,
        words: { output: "logit", answer: "label" },
        split,
        unmerged,
        merged,
        counts: { merged: changed, rounded: 0, copied: all - changed, leftOut: [] },
        readme: (check) => readme(steps, adapted, check)
      }
      return report
    })
})

type AdaptedClassifier = Adapted<LayersClassifier>

/** Saves the model with the adapter merged into it, in tfjs's format. */
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

A tf.LayersModel: its base with what ${method.tag} trained in ${sites.length} of its layers in ${counted(steps, "step")} of tfjs-lora-pro, merged.

On ${counted(check.rows, `${check.split} row`)} its logits differ from the unmerged model's by at most ${scientific(check.largestDifference, 2)},
${scientific(check.relativeDifference, 2)} of the largest.

\`\`\`ts
const model = await tf.loadLayersModel(".../model.json")
\`\`\`
`

/** Names of the rows in texts. */
export interface CalledRows {
  /** "rows of numbers" */
  readonly rows: string
  /** name of a single row */
  readonly row: string
  /** unit of training speed: "rows" */
  readonly unit: string
  /** returns the name of rows with the model's input shape: "rows of 28×28 numbers" */
  readonly shaped: (shape: string) => string
  /** the Hub's name of the task */
  readonly task: string
}

const layersCard =
  (called: CalledRows) =>
  ({ resolved, report, adapter }: CardSource<ResolvedLayersPlan>): CardParts => ({
    pipeline: null,
    task: called.task,
    alone: "A classification head",
    purpose: classesPurpose(report.labels, called.rows),
    settings: [],
    loading: loadingCode(adapter, resolved.plan.model.source),
    limits: classesLimits(report.labels, called.row)
  })

/** Returns TypeScript that loads the adapter with the promise API of `tfjs-lora-pro/layers`, over a model that the reader loads. */
const loadingCode = (adapter: string, source: string): string =>
  [
    `In TypeScript, with the model loaded from ${codeSpan(fileName(source))}:`,
    fenced("ts", [
      'import { loadAdapter } from "tfjs-lora-pro/layers"',
      "",
      `const adapted = await loadAdapter(model, ${JSON.stringify(adapter)})`,
      "adapted.predict(x)",
      "const merged = await adapted.model() // a separate tf.LayersModel"
    ])
  ].join("\n\n")
