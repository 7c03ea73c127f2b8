/**
 * Kinds over a tf.LayersModel, without their rows: descriptions, and resolving plans before weights are read (the model's layers, every row
 * of the data, memory).
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { SelectedSite } from "../../../adapters/index.ts"
import { batchesPerEpoch, type ClassificationData } from "../../data/index.ts"
import { type DescribedLayers, describeLayersClassifier } from "../../models/index.ts"
import {
  FLOAT,
  type MemoryEstimate,
  memoryEstimate,
  ResolveError,
  selectSites,
  type TrainableCounts
} from "../../plan/index.ts"
import type { Detecting, Suggesting } from "../../suggest/index.ts"
import type { RunKind, World } from "../contract/index.ts"
import { withCosts } from "../contract/resolved.ts"
import { classFacts, classWords, withKnownWeights } from "../rows/classes.ts"
import type { CalledRows } from "./publish.ts"
import type { LayersPlan, LayersRows, ResolvedLayersPlan } from "./rows.ts"

interface LayersKind<Plan extends LayersPlan, Data extends ClassificationData, Ready> {
  readonly rows: LayersRows<Plan, Data, Ready>
  readonly called: CalledRows
  readonly suggesting: Suggesting<ResolvedLayersPlan<Plan, Data>>
  readonly detecting: Detecting
  /** arguments of `predict`, as words of a shell */
  readonly exampleArguments: string
  /** lines of `validate` about images */
  readonly images?: (data: Data) => { readonly text: string; readonly json: object }
}

export const layersKind = <Plan extends LayersPlan, Data extends ClassificationData, Ready>({
  rows,
  called,
  suggesting,
  detecting,
  exampleArguments,
  images
}: LayersKind<Plan, Data, Ready>): RunKind<Plan, ResolvedLayersPlan<Plan, Data>> => ({
  ...classFacts,
  resolve: resolveLayers(rows),
  describe: describeLayers,
  baseOf: (_, { source }) => source,
  labelsOf: ({ labels }) => labels,
  words: {
    model: ({ name, layers, inputShape }) =>
      `the LayersModel ${name} (${layers} layers, ${called.shaped(inputShape.join("×"))})`,
    modelName: ({ name }) => name,
    untrained: ({ newHead }) => (newHead === null ? "the base model" : "the untrained head"),
    ...classWords,
    unit: called.unit,
    lines: ({ data }) => (images === undefined ? {} : { images: images(data).text }),
    json: ({ model: { name, source, labels, inputShape }, data }) => ({
      model: { name, source, labels, inputShape },
      ...(images === undefined ? {} : { images: images(data).json })
    })
  },
  suggesting,
  detecting,
  next: (_, run) => `predict ${run} ${exampleArguments}`,
  runner: () => import("./run.ts").then(({ layersRunner }) => layersRunner(rows)),
  publisher: () => import("./publish.ts").then(({ layersPublisher }) => layersPublisher(rows, called))
})

/** Describes the model of a plan whose classes are known; numbered classes if its rows were not read. */
const describeLayers = ({ model, data }: LayersPlan) =>
  describeLayersClassifier(model.source, { head: model.head, labels: data.labels })

const resolveLayers =
  <Plan extends LayersPlan, Data extends ClassificationData>(
    rows: Pick<LayersRows<Plan, Data>, "open" | "problemOfShape">
  ) =>
  (plan: Plan, name: string): Effect.Effect<ResolvedLayersPlan<Plan, Data>, ResolveError, World> =>
    Effect.gen(function* () {
      const fail = (...problems: ReadonlyArray<string>) => new ResolveError({ name, problems })
      const reported = Effect.mapError(({ message }: { readonly message: string }) => fail(message))
      // the model determines the number of values per row, the rows determine the number of classes
      const { source, head } = plan.model
      const described = yield* reported(
        describeLayersClassifier(source, { head: typeof head === "string" ? [] : head })
      )
      const problem = rows.problemOfShape(described.inputShape)
      if (problem !== undefined) return yield* fail(`${source}: ${problem}`)
      const data = yield* reported(rows.open(plan.data, plan.seed, described.inputShape).pipe(withKnownWeights(plan)))
      const { labels } = data
      const model = yield* reported(describeLayersClassifier(source, { head, labels }))
      const selected = selectSites(plan, model)
      if (Result.isFailure(selected)) return yield* fail(selected.failure.message)
      const selectedModel = {
        base: model.source,
        plan: { ...plan, data: { ...plan.data, labels: [...labels] } },
        name,
        model,
        selected: selected.success,
        data
      }
      return withCosts(selectedModel, {
        batches: batchesPerEpoch(data.splits.train.rows, plan.training.batchSize),
        memory: (trainable) => estimateMemory(plan, model, trainable, selectedModel.selected.sites),
        rows: null,
        warnings: [...data.warnings, ...replacedHead(plan, model)]
      })
    })

/** Returns a warning if the head is replaced because the data has different classes. */
const replacedHead = ({ model }: LayersPlan, { newHead, labels }: DescribedLayers): ReadonlyArray<string> =>
  newHead === null || typeof model.head === "string"
    ? []
    : [
        `the model has ${newHead.replaced} classes and the data have ${labels.length} labels: a new layer replaces "${newHead.path}"; to keep it, name all ${newHead.replaced} classes in data.labels, in the order of the model's outputs`
      ]

/**
 * Estimates memory in bytes for a `tf.LayersModel`: the output of every layer is kept for the backward pass, with a gradient of the same
 * size at a time; convolutions build patches in pieces. Includes the user's model and the frozen copy.
 */
export const estimateMemory = (
  plan: LayersPlan,
  model: DescribedLayers,
  trainable: Omit<TrainableCounts, "total">,
  sites: ReadonlyArray<SelectedSite<object>>
): MemoryEstimate => {
  const { batchSize, evaluateBatchSize } = plan.training
  return memoryEstimate(
    plan,
    trainable,
    { all: model.sites, adapted: sites },
    {
      weights: 2 * FLOAT * trainable.frozen,
      activations: FLOAT * model.activations * Math.max(2 * batchSize, evaluateBatchSize)
    }
  )
}
