/** A user's model as a network that lives until it is closed. */
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { fromLayersModel, type LayersNetwork } from "../models/layers-model/from-layers-model.ts"
import { adaptError } from "./errors.ts"

export interface OpenNetwork {
  readonly network: LayersNetwork
  /** layers that are trained themselves */
  readonly head: ReadonlyArray<string>
  readonly close: () => Promise<void>
}

/** The model as a network; `close` disposes what is held of it. */
export const openNetwork = async (model: tf.LayersModel, head: ReadonlyArray<string>): Promise<OpenNetwork> => {
  if (!(model instanceof tf.LayersModel)) throw adaptError(nameOf(model), notALayersModel(model))
  // a sequential model joins its layers when it is first used; this is a use
  if (model instanceof tf.Sequential && !model.built && (model.inputs ?? []).length > 0) model.build()
  const scope = Scope.makeUnsafe()
  const close = () => Effect.runPromise(Scope.close(scope, Exit.void))
  const network = await Effect.runPromise(fromLayersModel(model, { head }).pipe(Scope.provide(scope)))
  return { network, head, close }
}

export const nameOf = (model: unknown): string => {
  const { name } = (model ?? {}) as { readonly name?: unknown }
  return typeof name === "string" ? name : "model"
}

/** A model of another copy of tfjs looks right and is not: its layers compute on that copy's engine. */
const notALayersModel = (model: unknown): string => {
  if ((model as object | null) instanceof tf.GraphModel) {
    return "found a tf.GraphModel; expected a tf.LayersModel (tensorflowjs_converter --output_format=tfjs_layers_model)"
  }
  const { predict, layers } = (model ?? {}) as { readonly predict?: unknown; readonly layers?: unknown }
  return typeof predict === "function" && Array.isArray(layers)
    ? "found a LayersModel of another copy of @tensorflow/tfjs; expected one copy (see: npm ls @tensorflow/tfjs)"
    : "found no model; expected a tf.LayersModel"
}
