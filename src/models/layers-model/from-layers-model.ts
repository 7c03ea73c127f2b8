/**
 * A `tf.LayersModel` as a base to adapt: its linear maps as sites, its weights frozen, its own object never touched.
 *
 * Weights of linear layers are held as W [out, in], a copy; all others are handles of the model's own tensors, so that a model that is
 * trained on or disposed afterwards changes nothing here.
 */
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { LinearSite } from "../../tensors/linear.ts"
import type { ParameterSpec } from "../model.ts"
import type { Network, Rows } from "../network.ts"
import type { Layer, LayerParameter } from "./layer.ts"
import { kindOf } from "./table.ts"
import { computed, layersOf, type PlacedLayer } from "./topology.ts"

export class LayersModelError extends Schema.TaggedError<LayersModelError>()("LayersModelError", {
  model: Schema.String,
  problems: Schema.Array(Schema.String)
}) {
  override get message() {
    return `${this.model}: ${this.problems.join("\n")}`
  }
}

/** A tensor on the host, row-major. */
export interface HostArray {
  readonly values: Float32Array | Int32Array | Uint8Array
  readonly shape: ReadonlyArray<number>
  readonly dtype: "float32" | "int32" | "bool"
}

/** Rows for a LayersModel: one array for each of its inputs, and one for each of its outputs; the first axis of all is `size`. */
export interface LayersBatch extends Rows {
  readonly inputs: ReadonlyArray<HostArray>
  readonly targets: ReadonlyArray<HostArray>
}

/** A parameter of the network and the layer that has it. */
export interface PlacedParameter extends LayerParameter {
  readonly layer: Layer
}

export interface LayersNetwork extends Network {
  /** the user's own model, as it was */
  readonly base: tf.LayersModel
  readonly layerParameters: ReadonlyArray<PlacedParameter>
  readonly feed: (batch: LayersBatch) => {
    readonly input: ReadonlyArray<tf.Tensor>
    readonly target: ReadonlyArray<tf.Tensor>
  }
  /** one tensor for each input → one for each output */
  readonly forward: (
    input: ReadonlyArray<tf.Tensor>,
    ...rest: [linear: Parameters<Network["forward"]>[1], weights: Parameters<Network["forward"]>[2]]
  ) => ReadonlyArray<tf.Tensor>
}

export interface FromLayersModelOptions {
  /** layers that are trained themselves, with the head's learning rate; by their paths. None unless given */
  readonly head?: ReadonlyArray<string>
}

const hostTensor = ({ values, shape, dtype }: HostArray): tf.Tensor => tf.tensor(values, [...shape], dtype)

/** Tensor code. */
export const layersFeed: LayersNetwork["feed"] = ({ inputs, targets }) => ({
  input: inputs.map(hostTensor),
  target: targets.map(hostTensor)
})

const parametersOf = ({ layer, path }: PlacedLayer): ReadonlyArray<PlacedParameter> =>
  (kindOf(layer)?.parameters(layer, path) ?? []).map((parameter) => ({ ...parameter, layer }))

/** The network; its tensors live as long as the scope. Fails where `head` names a layer that is not there or has nothing to train. */
export const fromLayersModel = (
  base: tf.LayersModel,
  { head = [] }: FromLayersModelOptions = {}
): Effect.Effect<LayersNetwork, LayersModelError, Scope.Scope> =>
  Effect.gen(function* () {
    const placed = layersOf(base)
    const problems = head.flatMap((path) => headProblem(placed, path))
    if (problems.length > 0) return yield* new LayersModelError({ model: base.name, problems })
    const isHead = ({ path }: PlacedLayer) => head.includes(path)
    const body = placed.filter((one) => !isHead(one))
    const layerParameters = placed.flatMap(parametersOf)
    const tensors = yield* Effect.acquireRelease(
      Effect.sync(() => held(layerParameters)),
      (all) => Effect.sync(() => tf.dispose([...all.values()]))
    )
    const specs = (some: ReadonlyArray<PlacedLayer>): ReadonlyArray<ParameterSpec> =>
      some.flatMap(parametersOf).map(({ name, shape }) => ({ name, shape }))
    const network: LayersNetwork = {
      base,
      layerParameters,
      sites: body.flatMap(({ layer, path }): ReadonlyArray<LinearSite> => kindOf(layer)?.sites(layer, path) ?? []),
      parameters: specs(body),
      head: { parameters: specs(placed.filter(isHead)) },
      prefix: "",
      weights: (name) => {
        const tensor = tensors.get(name)
        if (tensor === undefined) throw new Error(`model ${base.name} has no parameter ${name}`)
        return tensor
      },
      feed: layersFeed,
      forward: (input, linear, weights) => tf.tidy(() => [...computed(base, input, linear, weights)])
    }
    return network
  })

const held = (parameters: ReadonlyArray<PlacedParameter>): ReadonlyMap<string, tf.Tensor> =>
  new Map(
    parameters.map(({ name, layer, index, held }) => [
      name,
      tf.keep(tf.tidy(() => held(layer.getWeights()[index]!).clone()))
    ])
  )

const headProblem = (placed: ReadonlyArray<PlacedLayer>, path: string): ReadonlyArray<string> => {
  const found = placed.find((one) => one.path === path)
  const paths = placed.filter((one) => parametersOf(one).length > 0).map((one) => one.path)
  if (found !== undefined && parametersOf(found).length > 0) return []
  return [`head: found "${path}"; expected a layer with weights, one of ${paths.join(", ")}`]
}
