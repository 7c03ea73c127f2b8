/**
 * A new classification head for a `tf.LayersModel`: the layer that computes a score for each class is made again, with as many outputs as
 * there are classes. Its weights are initialized to N(0, 0.02²) by a seed, or to 0; its bias to 0. All other layers have the model's weights.
 */

import * as tf from "@tensorflow/tfjs-core"
import type { LayersModel } from "@tensorflow/tfjs-layers"
import { newHeadParameters } from "../head.ts"
import type { HeadSpec } from "../model.ts"
import { assign, type LayerStructure, type ModelStructure, sameStructure, variablesOf } from "./copy.ts"
import type { Layer } from "./layer.ts"
import { isModel } from "./topology.ts"

/** The field of a layer's config that is the number of its outputs, by class name. */
const outputsField: ReadonlyMap<string, string> = new Map([
  ["Dense", "units"],
  ["Conv1D", "filters"],
  ["Conv2D", "filters"]
])

/** Layers without weights that may come between the scores and a model's output, by class name. */
const after = [
  "Activation",
  "Softmax",
  "Dropout",
  "Flatten",
  "Reshape",
  "GlobalAveragePooling1D",
  "GlobalAveragePooling2D",
  "GlobalMaxPooling1D",
  "GlobalMaxPooling2D"
]

/** A layer by its name, after those of the models that it is in. */
type Names = ReadonlyArray<string>

/** The layer that computes the scores, and those after it. */
interface Classifier {
  readonly layer: Layer
  readonly names: Names
  readonly after: ReadonlyArray<Names>
}

/** From a model's output back to the scores; or the layer between them that is not one of `after`. */
const classifierOf = (model: LayersModel, outer: Names = []): Classifier | { readonly other: Layer } => {
  const passed: Array<Names> = []
  for (let symbolic = model.outputs[0]!; ; symbolic = symbolic.inputs[0]!) {
    const { sourceLayer: layer } = symbolic
    const names: Names = [...outer, layer.name]
    if (isModel(layer)) {
      const inner = classifierOf(layer, names)
      return "other" in inner ? inner : { ...inner, after: [...passed, ...inner.after] }
    }
    if (outputsField.has(layer.getClassName())) return { layer, names, after: passed }
    if (!after.includes(layer.getClassName())) return { other: layer }
    passed.push(names)
  }
}

/** The layer that computes a score for each class. */
export interface ScoringLayer {
  /** a dense layer or a convolution */
  readonly layer: Layer
  /** path of the layer: the names of the models that contain it, then its own, `model.head` */
  readonly path: string
}

/** Returns the layer that computes a score for each class. Throws if a model's output is not computed by such a layer. */
export const scoringLayer = (model: LayersModel): ScoringLayer => {
  const classifier = classifierOf(model)
  if (!("other" in classifier)) return { layer: classifier.layer, path: classifier.names.join(".") }
  const { name } = classifier.other
  const problem = `found the layer ${name} (${classifier.other.getClassName()}) before its output; expected a dense layer or a convolution, which a new head could replace`
  throw new Error(problem)
}

const structureAt = ({ layers }: ModelStructure, [name, ...inner]: Names): LayerStructure => {
  const headLayer = layers.find(({ config }) => config.name === name)!
  return inner.length === 0 ? headLayer : structureAt(headLayer.config as unknown as ModelStructure, inner)
}

/** Configuration of a new head. */
export interface NewHead {
  /** number of outputs, at least 2 */
  readonly classes: number
  /** initialization of its weights */
  readonly start: HeadSpec["start"]
  /** seed of random weights */
  readonly seed: number
}

/**
 * Copies a model and gives the copy a head with one output per class. A single sigmoid for two classes becomes a softmax. Throws if the model has
 * no head that can be replaced, or tfjs cannot create the model.
 */
export const withNewHead = (base: LayersModel, { classes, start, seed }: NewHead): LayersModel => {
  scoringLayer(base)
  const classifier = classifierOf(base) as Classifier
  const model = sameStructure(base, (structure) => {
    const [scores, ...others] = [classifier.names, ...classifier.after].map((names) => structureAt(structure, names))
    scores!.config[outputsField.get(scores!.className)!] = classes
    for (const { className, config } of [scores!, ...others]) {
      if (config["activation"] === "sigmoid") config["activation"] = "softmax"
      const target = config["targetShape"] as ReadonlyArray<number>
      if (className === "Reshape") config["targetShape"] = [...target.slice(0, -1), classes]
    }
  })
  const { layer, path } = scoringLayer(model)
  const from = variablesOf(base)
  variablesOf(model).forEach((variable, i) => {
    if (!layer.weights.includes(variable)) assign(variable, from[i]!.read())
  })
  const specs = ["weight", "bias"].map((name, i) => ({
    name: `${path}.${name}`,
    shape: i === 0 ? (layer.weights[0]!.shape as ReadonlyArray<number>) : [classes]
  }))
  const values = [...newHeadParameters({ parameters: specs, inCheckpoint: new Set(), start }, seed).values()]
  tf.tidy(() =>
    layer.weights.forEach((variable, i) => {
      assign(variable, tf.tensor(values[i]!.data, [...values[i]!.shape]))
    })
  )
  return model
}
