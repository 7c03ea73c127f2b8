/** A plan over a `tf.LayersModel` before its weights are read: the model's layers, every row of the data, the memory it takes. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { SelectedSite } from "../../../adapters/index.ts"
import { batchesPerEpoch, type ClassificationData } from "../../data/index.ts"
import { type DescribedLayers, describeLayersClassifier, labelled } from "../../models/index.ts"
import {
  countTrainable,
  FLOAT,
  type MemoryEstimate,
  machineMemory,
  memoryEstimate,
  memoryWarnings,
  ResolveError,
  selectSites,
  stepsOf,
  type TrainableCounts
} from "../../plan/index.ts"
import type { World } from "../contract/index.ts"
import { withKnownWeights } from "../rows/classes.ts"
import type { LayersPlan, LayersRows, ResolvedLayersPlan } from "./rows.ts"

/** The model of a plan whose classes are known; of one whose rows were not looked at, with numbers for names. */
export const describeLayers = ({ model, data }: LayersPlan) =>
  Effect.flatMap(describeLayersClassifier(model.source, { head: model.head }), (described) =>
    labelled(described, data.labels ?? described.labels)
  )

export const resolveLayers =
  <Plan extends LayersPlan, Data extends ClassificationData>(
    rows: Pick<LayersRows<Plan, Data>, "open" | "problemOfShape">
  ) =>
  (plan: Plan, name: string): Effect.Effect<ResolvedLayersPlan<Plan, Data>, ResolveError, World> =>
    Effect.gen(function* () {
      const fail = (...problems: ReadonlyArray<string>) => new ResolveError({ name, problems })
      const reported = Effect.mapError(({ message }: { readonly message: string }) => fail(message))
      // how many numbers a row must have, the model says; how many classes the model must have, the rows
      const described = yield* reported(describeLayersClassifier(plan.model.source, { head: plan.model.head }))
      const problem = rows.problemOfShape(described.inputShape)
      if (problem !== undefined) return yield* fail(`${plan.model.source}: ${problem}`)
      const data = yield* reported(rows.open(plan.data, plan.seed, described.inputShape).pipe(withKnownWeights(plan)))
      const { labels } = data
      const model = yield* reported(labelled(described, labels))
      const selected = selectSites(plan, model)
      if (Result.isFailure(selected)) return yield* fail(selected.failure.message)
      const trainable = countTrainable(plan, model, selected.success)
      const memory = estimateMemory(plan, model, trainable, selected.success.sites)
      return {
        base: model.source,
        plan: { ...plan, data: { ...plan.data, labels: [...labels] } },
        name,
        model,
        selected: selected.success,
        data,
        steps: stepsOf(plan, batchesPerEpoch(data.splits.train.rows, plan.training.batchSize)),
        trainable,
        memory,
        prefix: null,
        warnings: [...data.warnings, ...memoryWarnings(memory, machineMemory(), plan, false)]
      }
    })

/**
 * Of a `tf.LayersModel`: every layer's output is kept for the backward pass, with a gradient of the same size at a time; patches of
 * convolutions are made piece by piece. The user's own model is there beside the frozen one.
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
