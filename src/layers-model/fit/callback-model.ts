/**
 * The model that tfjs callbacks are given: a real `tf.LayersModel` to look at, behind which the adapted one computes.
 *
 * It is an object whose prototype is the user's own model, so that all can be read and whatever a callback writes
 * (`stopTraining`) stays here. `predict`, `evaluate` and `save` see the parameters as they are at that moment;
 * `getWeights` gives the base's.
 *
 * Overrides private methods of tfjs-layers 4.22 (`predictLoop`, `makeTestFunction`), which its public ones go through.
 */
import type { Tensor } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import type { Adapted } from "../../../adapters/index.ts"
import type { LayersNetwork } from "../../models/layers-model/from-layers-model.ts"
import { copyOf, writeMerged } from "../merged-model.ts"
import { predictAdapted } from "../predict.ts"
import { type Compiled, graphOf } from "./compiled.ts"

export interface CallbackModel {
  readonly model: tf.LayersModel
  /** whether somebody set `stopTraining`, on this model or on the user's own */
  readonly stopped: () => boolean
  /** Puts the user's own `stopTraining` back as it was. */
  readonly close: () => void
}

export const callbackModel = (
  adapted: Adapted<LayersNetwork>,
  compiled: Compiled,
  history: tf.History
): CallbackModel => {
  const graph = graphOf(adapted.model.base)
  const before = graph.stopTraining
  const model = Object.create(graph) as tf.LayersModel
  const testFunction = testOf(adapted, compiled)
  Object.assign(model, {
    history,
    isTraining: true,
    predictLoop: (inputs: Tensor | Array<Tensor>, batchSize = 32) =>
      predictAdapted(adapted, [inputs].flat(), { batchSize }),
    testFunction,
    // tfjs makes it anew before every evaluation
    makeTestFunction: () => {},
    save: (...given: Parameters<tf.LayersModel["save"]>) => saveMerged(adapted, ...given)
  })
  // tfjs begins with false too
  model.stopTraining = false
  graph.stopTraining = false
  return {
    model,
    stopped: () => model.stopTraining || graph.stopTraining,
    close: () => {
      graph.stopTraining = before
    }
  }
}

/** From inputs and targets in one list to a scalar for each score. */
const testOf =
  (adapted: Adapted<LayersNetwork>, compiled: Compiled) =>
  (data: ReadonlyArray<Tensor>): ReadonlyArray<Tensor> =>
    tf.tidy(() => {
      const { length: inputs } = adapted.model.base.inputs
      const outputs = adapted.forward(data.slice(0, inputs), adapted.trainable)
      return tf.unstack(compiled.score(outputs, data.slice(inputs)).scores)
    })

/** What a callback that saves the model saves: the base with the adapter merged in. */
const saveMerged = async (
  adapted: Adapted<LayersNetwork>,
  ...given: Parameters<tf.LayersModel["save"]>
): Promise<tf.io.SaveResult> => {
  const copy = copyOf(adapted.model.base)
  try {
    writeMerged(copy, adapted.model, adapted)
    return await copy.model.save(...given)
  } finally {
    copy.model.dispose()
  }
}
