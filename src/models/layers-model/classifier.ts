/**
 * A `tf.LayersModel` as a classifier: one input, and one output with a number for each class. The last layer shows what these numbers are:
 * softmax's probabilities, a single sigmoid's (of the second of two classes), or logits.
 */
import type { LayersModel, layers } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import type * as Scope from "effect/Scope"
import { limit, overLimit } from "../../boundary/index.ts"
import type { LinearSite } from "../../tensors/index.ts"
import { ModelError, type ParameterSpec } from "../model.ts"
import { fromLayersModel, type LayersNetwork } from "./from-layers-model.ts"
import { openLayersModel, openTopology, reasons } from "./model-files.ts"
import { isModel, layersOf, rowSize, shapesMade } from "./topology.ts"

type Scores = "softmax" | "sigmoid" | "logits"

/** All that is known of one without reading a weight. */
export interface DescribedLayers {
  /** its model.json */
  readonly source: string
  /** of the model */
  readonly name: string
  /** its linear layers, without the head's */
  readonly sites: ReadonlyArray<LinearSite>
  /** of its layers without the head's, in the model's order */
  readonly parameters: ReadonlyArray<ParameterSpec>
  /** the layers that are trained themselves */
  readonly head: LayersNetwork["head"]
  /** always "" */
  readonly prefix: string
  /** in the order of the outputs; "0", "1", … until they are known */
  readonly labels: ReadonlyArray<string>
  /** of one row */
  readonly inputShape: ReadonlyArray<number>
  /** how many it has */
  readonly layers: number
  /** numbers that all layers make of one row */
  readonly activations: number
  /** what the last layer makes: probabilities that sum to 1, one probability of the second class, or logits */
  readonly scores: Scores
}

/** The loaded model. */
export interface LayersClassifier extends LayersNetwork {
  /** in the order of the logits */
  readonly labels: ReadonlyArray<string>
  /** Its outputs as logits [rows, classes]. Tensor code. */
  readonly logits: (outputs: ReadonlyArray<tf.Tensor>) => tf.Tensor2D
}

interface ClassifierOptions {
  /** layers that are trained themselves, by their paths */
  readonly head: ReadonlyArray<string>
}

/**
 * Fails with everything for which the model at `source` cannot be a classifier. Its classes are called "0", "1", … until `labelled` says
 * how.
 */
export const describeLayersClassifier = (
  source: string,
  { head }: ClassifierOptions
): Effect.Effect<DescribedLayers, ModelError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const base = yield* openTopology(source)
    const network = yield* networkOf(source, base, head)
    const { scores, classes, problems } = yield* Effect.try({
      try: () => scoresOf(base),
      catch: (cause) => new ModelError({ folder: source, problems: reasons(cause) })
    })
    if (problems.length > 0) return yield* new ModelError({ folder: source, problems })
    return {
      source,
      name: base.name,
      sites: network.sites,
      parameters: network.parameters,
      head: network.head,
      prefix: network.prefix,
      labels: Array.from({ length: classes }, (_, i) => String(i)),
      inputShape: base.inputs[0]!.shape.slice(1) as ReadonlyArray<number>,
      layers: layersOf(base).length,
      activations: shapesMade(base).reduce((sum, { shape }) => sum + rowSize(shape), 0),
      scores
    }
  }).pipe(Effect.scoped)

/** The description with class names in the order of the scores; fails where these are not as many. */
export const labelled = (
  description: DescribedLayers,
  labels: ReadonlyArray<string>
): Effect.Effect<DescribedLayers, ModelError> => {
  const classes = description.labels.length
  if (classes === labels.length) return Effect.succeed({ ...description, labels })
  const problem = `has ${classes} classes; the data have ${labels.length} labels (${labels.slice(0, 20).join(", ")})`
  return Effect.fail(new ModelError({ folder: description.source, problems: [problem] }))
}

/** Loads a described model. Needs an open device; lives as long as the scope. */
export const loadLayersClassifier = (
  { source, labels, head, scores }: DescribedLayers,
  paths: ReadonlyArray<string>
): Effect.Effect<LayersClassifier, ModelError, FileSystem.FileSystem | Path.Path | Scope.Scope> =>
  Effect.gen(function* () {
    const base = yield* openLayersModel(source)
    yield* computeRow(source, base)
    const network = yield* networkOf(source, base, paths)
    return { ...network, head, labels, logits: ([output]) => logitsFrom(output as tf.Tensor2D, scores) }
  })

/** Whether tfjs can compute the layers, which it says only when it does: a window of a billion has a shape like any other. */
const computeRow = (source: string, base: LayersModel) =>
  Effect.try({
    try: () => {
      tf.tidy(() => {
        const [{ shape, dtype }] = base.inputs as [(typeof base.inputs)[number]]
        base.predict(tf.zeros([1, ...shape.slice(1)] as Array<number>, dtype))
      })
    },
    catch: (cause) => new ModelError({ folder: source, problems: reasons(cause, "computed") })
  })

const networkOf = (source: string, base: LayersModel, head: ReadonlyArray<string>) =>
  fromLayersModel(base, { head }).pipe(
    Effect.mapError(
      ({ problems }) =>
        new ModelError({
          folder: source,
          problems: problems.map((problem) => problem.replace(/^head: /, "model.head: "))
        })
    )
  )

/** What the scores are and how many classes there are; or why it is no classifier. */
const scoresOf = (base: LayersModel) => {
  const [inputs, outputs] = [base.inputs.length, base.outputs.length]
  if (inputs !== 1 || outputs !== 1) {
    const problem = `found ${inputs} inputs and ${outputs} outputs; expected one of each: train other models in code (tfjs-lora-pro/layers)`
    return { scores: "logits" as Scores, classes: 0, problems: [problem] }
  }
  const input = base.inputs[0]!.shape.slice(1)
  const output = base.outputs[0]!.shape.slice(1)
  const activation = lastActivation(base.outputs[0]!.sourceLayer)
  const single = output.length === 1 && output[0] === 1
  const scores: Scores =
    activation === "softmax" ? "softmax" : single && activation === "sigmoid" ? "sigmoid" : "logits"
  const classes = scores === "sigmoid" ? 2 : (output[0] ?? 0)
  const problems = [
    ...(classes <= limit("layers-model-classes")
      ? []
      : [`found ${classes.toLocaleString("en")} classes, more than ${overLimit("layers-model-classes")}`]),
    ...(input.length > 0 && input.every((n) => n !== null)
      ? []
      : [`found the input shape [${input.map((n) => n ?? "?").join(", ")}]; expected one whose axes are all known`]),
    ...(output.length === 1 ? [] : [`found the output shape [${output.join(", ")}]; expected a number for each class`]),
    ...(activation === "softmax" || activation === "linear" || scores === "sigmoid"
      ? []
      : [`found the activation "${activation}" after its last layer; expected softmax, linear, or one sigmoid unit`])
  ]
  return { scores, classes, problems }
}

/** The name of the activation after the last linear map, "linear" where there is none. */
const lastActivation = (layer: layers.Layer): string => {
  if (layer.getClassName() === "Softmax") return "softmax"
  if (isModel(layer)) return lastActivation(layer.outputs[0]!.sourceLayer)
  const { activation } = layer.getConfig() as { readonly activation?: string | { readonly class_name?: string } }
  return (typeof activation === "string" ? activation : activation?.class_name)?.toLowerCase() ?? "linear"
}

/** Probabilities are clipped to this, as in Keras: the logarithm of 0 is infinite. */
const SMALLEST = 1e-7

const logitsFrom = (output: tf.Tensor2D, scores: Scores): tf.Tensor2D => {
  if (scores === "logits") return output
  const p = tf.clipByValue(output, SMALLEST, 1 - SMALLEST)
  if (scores === "softmax") return tf.log(p)
  return tf.concat([tf.zerosLike(p), tf.sub(tf.log(p), tf.log(tf.sub(1, p)))], 1) as tf.Tensor2D
}
