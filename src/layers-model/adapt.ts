/**
 * `adapt`: fine-tunes a `tf.LayersModel` through a promise API. It uses the same parts as the Effect API and returns
 * promises.
 *
 *   const adapted = await adapt(model, { rank: 8, alpha: 16, head: ["predictions"] })
 *   await adapted.fitDataset(dataset, { epochs: 3 })
 *   adapted.predict(x)                  with the adapter; after adapted.off() the base model's output, bit for bit
 *   await adapted.save("adapters/customer-7")
 *
 * The user's model object is never changed. Methods reject with, or throw, the errors of the parts (AdaptError, AdapterFileError, …).
 * thrown.
 */
import * as tf from "@tensorflow/tfjs-core"
import type * as tfl from "@tensorflow/tfjs-layers"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { fromLayersModel } from "../models/layers-model/index.ts"
import { type AdaptedLayersModel, adaptedLayersModel, type OpenNetwork } from "./adapted-layers-model.ts"
import type { CalibrationData } from "./calibration-data.ts"
import { adaptError } from "./errors.ts"
import { initRequested } from "./held-adapter.ts"
import { type AdaptOptionsInput, decodeOptions } from "./options.ts"
import { type AdapterSource, sourceName } from "./places.ts"
import { promised } from "./promised.ts"
import type { RestoreOptions } from "./saved-adapter.ts"

/**
 * Adds an adapter to a model, on the current tfjs backend. Options: the `adapter` section of a plan, with `seed`,
 * `head` and `name`. `data`: examples for an init that calibrates on training data ("lora-ga", "eva"); other inits need none.
 * Rejects with an AdaptError that reports every problem of the options, or a LayersDataError if the examples
 * do not fit the model.
 *
 * @example
 * import type { Tensor } from "@tensorflow/tfjs-core"
 * import type { LayersModel } from "@tensorflow/tfjs-layers"
 * import { adapt } from "tfjs-lora-pro/layers"
 *
 * const adapted = (model: LayersModel, x: Tensor, y: Tensor) =>
 *   adapt(model, { rank: 8, init: { kind: "lora-ga", batches: 4 } }, { examples: [x, y] })
 */
export const adapt = async (
  model: tfl.LayersModel,
  options: AdaptOptionsInput = {},
  data: CalibrationData = {}
): Promise<AdaptedLayersModel> => {
  await tf.ready() // a program that has chosen no backend yet gets tfjs's own choice
  const request = await promised(decodeOptions(options, nameOf(model)))
  const open = await openNetwork(model, request.head)
  try {
    return adaptedLayersModel(open, [[request.name, await promised(initRequested(open.network, request, data))]])
  } catch (error) {
    await open.close()
    throw error
  }
}

export interface LoadOptions extends RestoreOptions {
  /** name of the adapter, unique among those of one base; default "adapter" */
  readonly name?: string
}

/**
 * Loads a saved adapter onto the model that it was trained with. Rejects with an AdapterFileError if the source is
 * damaged, contains no adapter, or belongs to another model; nothing is loaded then.
 */
export const loadAdapter = async (
  model: tfl.LayersModel,
  source: AdapterSource,
  { name = "adapter", ...options }: LoadOptions = {}
): Promise<AdaptedLayersModel> => {
  await tf.ready()
  const { loadFrom, restoredAdapter } = await import("./adapter-files.ts")
  const saved = await loadFrom(source)
  const open = await openNetwork(model, saved.record.head, saved.record.classes)
  try {
    const adapter = await promised(restoredAdapter(open.network, saved, sourceName(source), options))
    return adaptedLayersModel(open, [[name, adapter]])
  } catch (error) {
    await open.close()
    throw error
  }
}

/** The model as a network, with a new head where `classes` says of how many; `close` disposes what is held of it. */
const openNetwork = async (
  model: tfl.LayersModel,
  head: ReadonlyArray<string>,
  classes?: number
): Promise<OpenNetwork> => {
  const { LayersModel, Sequential } = await import("@tensorflow/tfjs-layers")
  if (!(model instanceof LayersModel)) throw adaptError(nameOf(model), notALayersModel(model))
  // a sequential model joins its layers when it is first used; this is a use
  if (model instanceof Sequential && !model.built && (model.inputs ?? []).length > 0) model.build()
  const scope = Scope.makeUnsafe()
  const { base, newHead } =
    classes === undefined ? { base: model } : (await import("./headed-model.ts")).headedModel(model, classes)
  const close = async () => {
    await promised(Scope.close(scope, Exit.void))
    if (base !== model) base.dispose()
  }
  const network = await promised(fromLayersModel(base, { head, newHead }).pipe(Scope.provide(scope)))
  return { network, head, close }
}

const nameOf = (model: unknown): string => {
  const { name } = (model ?? {}) as { readonly name?: unknown }
  return typeof name === "string" ? name : "model"
}

/** A model of another copy of tfjs looks right and is not: its layers compute on that copy's engine. */
const notALayersModel = (model: unknown): string => {
  if (typeof (model as { readonly executeAsync?: unknown } | null)?.executeAsync === "function") {
    return "found a tf.GraphModel; expected a tf.LayersModel (tensorflowjs_converter --output_format=tfjs_layers_model)"
  }
  const { predict, layers } = (model ?? {}) as { readonly predict?: unknown; readonly layers?: unknown }
  return typeof predict === "function" && Array.isArray(layers)
    ? "found a LayersModel of another copy of @tensorflow/tfjs-layers; expected one copy (see: npm ls @tensorflow/tfjs-layers)"
    : "found no model; expected a tf.LayersModel"
}
