/**
 * A `tf.LayersModel` as a base to adapt: its linear maps as sites, its weights frozen, its own object never touched.
 *
 * Weights of linear layers are held as W [out, in], a copy; those of other layers with a kind of their own (`table.ts`)
 * are handles of the model's own tensors. Layers without one compute with what the model has at the time, so the model
 * must not be disposed before.
 */

import * as tf from "@tensorflow/tfjs-core"
import type { LayersModel } from "@tensorflow/tfjs-layers"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { closest } from "../../../schemas/index.ts"
import { listed, listedLines, mostListed } from "../../boundary/index.ts"
import type { LinearSite } from "../../tensors/index.ts"
import type { Network, ParameterSpec, Rows } from "../model.ts"
import type { Layer, LayerParameter, PlacedLayer } from "./layer.ts"
import { kindOf } from "./table.ts"
import { computed, layersOf } from "./topology.ts"

/** A `tf.LayersModel` that cannot be adapted or loaded, with every problem. */
export class LayersModelError extends Schema.TaggedError<LayersModelError>()("LayersModelError", {
  /** the model's name, or its model.json */
  model: Schema.String,
  /** problems, a sentence each; at least one */
  problems: Schema.Array(Schema.String)
}) {
  override get message() {
    return `${this.model}: ${listedLines(this.problems, String)}`
  }
}

/** A tensor on the host, row-major. */
export interface HostArray {
  /** values, row-major */
  readonly values: Float32Array | Int32Array | Uint8Array
  /** shape; the first axis is the rows */
  readonly shape: ReadonlyArray<number>
  /** type of `values` */
  readonly dtype: "float32" | "int32" | "bool"
}

/** Rows for a LayersModel: one array for each of its inputs and each of its outputs, all with a first axis of `size`. */
export interface LayersBatch extends Rows {
  /** inputs in the order of the model's inputs */
  readonly inputs: ReadonlyArray<HostArray>
  /** targets in the order of the model's outputs */
  readonly targets: ReadonlyArray<HostArray>
}

/** A parameter of the network and the layer that has it: inside wrappers, the layer in them. */
interface PlacedParameter extends LayerParameter {
  readonly layer: Layer
}

/** A `tf.LayersModel` as a network that accepts adapters; the model itself is not changed. */
export interface LayersNetwork extends Network {
  /** the user's model, unchanged */
  readonly base: LayersModel
  /** layer of `base` that was created for other classes; absent: all layers are the user's own */
  readonly newHead?: Layer
  /** parameters of all layers, including the head's */
  readonly layerParameters: ReadonlyArray<PlacedParameter>
  readonly toDevice: (batch: LayersBatch) => {
    /** inputs in the order of the model's inputs */
    readonly input: ReadonlyArray<tf.Tensor>
    /** targets in the order of the model's outputs */
    readonly target: ReadonlyArray<tf.Tensor>
  }
  /** Computes one tensor per output from one tensor per input. */
  readonly forward: (
    input: ReadonlyArray<tf.Tensor>,
    ...rest: [linear: Parameters<Network["forward"]>[1], weights: Parameters<Network["forward"]>[2]]
  ) => ReadonlyArray<tf.Tensor>
}

/** Options for the parts of a `tf.LayersModel` that are trained in addition to its adapters. */
export interface FromLayersModelOptions {
  /**
   * paths of the layers that are trained directly, with the head's learning rate (the path of a model or wrapper stands for all layers in it);
   * default: none
   */
  readonly head?: ReadonlyArray<string>
  /** layer of the model that was created for other classes (`withNewHead`), whose path is in `head`; default: none */
  readonly newHead?: Layer | undefined
}

const hostTensor = ({ values, shape, dtype }: HostArray): tf.Tensor => tf.tensor(values, [...shape], dtype)

/** Tensor code. */
const layersToDevice: LayersNetwork["toDevice"] = ({ inputs, targets }) => ({
  input: inputs.map(hostTensor),
  target: targets.map(hostTensor)
})

type Part = "parameters" | "constants"

const placedParameters = ({ layer, path }: PlacedLayer, part: Part): ReadonlyArray<PlacedParameter> =>
  (kindOf(layer)?.[part]?.(layer, path) ?? []).map((parameter) => ({ ...parameter, layer }))

const specsOf = (placed: ReadonlyArray<PlacedLayer>): ReadonlyArray<ParameterSpec> =>
  placed.flatMap((one) => placedParameters(one, "parameters")).map(({ name, shape }) => ({ name, shape }))

/** Is the layer at this path, or in what is at this path? */
const isAt =
  (at: string) =>
  ({ path }: PlacedLayer): boolean =>
    path.startsWith(at) && (path.length === at.length || path[at.length] === ".")

/** Creates the network; its tensors live as long as the scope. Fails with all reasons why the model or `head` is not supported. */
export const fromLayersModel = (
  base: LayersModel,
  { head = [], newHead }: FromLayersModelOptions = {}
): Effect.Effect<LayersNetwork, LayersModelError, Scope.Scope> =>
  Effect.gen(function* () {
    // not `built`: tfjs builds a sequential model when it is first used, and its graph is there from the first layer on
    const hasInput = ((base.inputs as typeof base.inputs | undefined) ?? []).length > 0
    const placed = hasInput ? layersOf(base) : []
    const problems = hasInput ? problemsOf(placed, head) : [noInput]
    if (problems.length > 0) return yield* new LayersModelError({ model: base.name, problems })
    const isHead = (one: PlacedLayer) => head.some((at) => isAt(at)(one))
    const body = placed.filter((one) => !isHead(one))
    const layerParameters = placed.flatMap((one) => placedParameters(one, "parameters"))
    const constants = placed.flatMap((one) => placedParameters(one, "constants"))
    const tensors = yield* Effect.acquireRelease(
      Effect.sync(() => held([...layerParameters, ...constants])),
      (all) => Effect.sync(() => tf.dispose([...all.values()]))
    )
    const paths = new Map(placed.map(({ layer, path }) => [layer, path]))
    const network: LayersNetwork = {
      base,
      ...(newHead === undefined ? {} : { newHead }),
      layerParameters,
      sites: body.flatMap(({ layer, path }): ReadonlyArray<LinearSite> => kindOf(layer)?.sites?.(layer, path) ?? []),
      parameters: specsOf(body),
      head: { parameters: specsOf(placed.filter(isHead)) },
      prefix: "",
      weights: (name) => {
        const tensor = tensors.get(name)
        if (tensor === undefined) throw new Error(`model ${base.name} has no parameter ${name}`)
        return tensor
      },
      toDevice: layersToDevice,
      forward: (input, linear, weights) => tf.tidy(() => [...computed(base, input, { paths, linear, weights })])
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

const noInput = "found a model without layers; expected at least one, with an inputShape"

const problemsOf = (placed: ReadonlyArray<PlacedLayer>, head: ReadonlyArray<string>): ReadonlyArray<string> => [
  ...placed.flatMap(({ layer, path }) =>
    layer.stateful
      ? [`layer ${path}: found stateful: true, with which a step depends on the batches before; expected false`]
      : []
  ),
  ...placed.flatMap(({ path }, i) =>
    placed.findIndex((other) => other.path === path) === i
      ? []
      : [`found two layers at the path ${path}; expected names without dots that look like those of a model inside`]
  ),
  ...headProblems(placed, head)
]

/** A sentence for each of the first paths at which nothing can be trained; the others are counted. */
const headProblems = (placed: ReadonlyArray<PlacedLayer>, head: ReadonlyArray<string>): ReadonlyArray<string> => {
  const trained = placed.filter((one) => placedParameters(one, "parameters").length > 0)
  const paths = trained.map((one) => one.path)
  const wrong = [...new Set(head)].filter((path) => !trained.some(isAt(path)))
  const mostLines = mostListed + 1 // the last of them where it takes the line of the count
  const sentences = wrong.slice(0, mostLines).map((path) => {
    const near = closest(path, paths)
    const hint = near === undefined ? "" : `; did you mean "${near}"?`
    return `head: found "${path}"; expected a layer with weights, one of ${listed(paths).join(", ")}${hint}`
  })
  return listed([...sentences, ...wrong.slice(mostLines)])
}
