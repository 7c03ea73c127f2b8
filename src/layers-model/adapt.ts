/**
 * `adapt`: fine-tuning of a `tf.LayersModel` for those who do not use Effect. The same parts as for Effect, as
 * promises.
 *
 *   const adapted = await adapt(model, { rank: 8, alpha: 16, head: ["predictions"] })
 *   await adapted.fitDataset(dataset, { epochs: 3 })
 *   adapted.predict(x)                  the adapter on; adapted.off() and it is the model's own answer, bit for bit
 *   await adapted.save("adapters/customer-7")
 *
 * The model's own object is never changed. Errors are those of the parts (AdaptError, AdapterFileError, …), rejected or
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
 * Puts an adapter over a model, on the backend that tfjs has. Options: the `adapter` section of a plan, with `seed`,
 * `head` and `name`. `data`: examples for an init that calibrates on training data ("lora-ga", "eva"); others need none.
 * Rejects with an AdaptError that reports everything that is wrong with the options, or a LayersDataError where examples
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
  /** the adapter's name among those over one base (default "adapter") */
  readonly name?: string
}

/**
 * Puts a saved adapter over the model that it was trained over. Rejects with an AdapterFileError where the source is
 * damaged, holds no adapter, or one of another model; then nothing is loaded.
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
