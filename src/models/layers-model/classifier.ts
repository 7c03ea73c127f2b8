/**
 * A `tf.LayersModel` as a classifier: one input, and one output with a number for each class. The last layer shows what these numbers are:
 * softmax's probabilities, a single sigmoid's (of the second of two classes), or logits.
 */

import * as tf from "@tensorflow/tfjs-core"
import type { LayersModel, SymbolicTensor } from "@tensorflow/tfjs-layers"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import * as Scope from "effect/Scope"
import type { LayersModelSection } from "../../../schemas/index.ts"
import { limit, messageOf, overLimit, wholeNumber } from "../../boundary/index.ts"
import type { LinearSite } from "../../tensors/index.ts"
import { type HeadSpec, ModelError, type ParameterSpec } from "../model.ts"
import { type FromLayersModelOptions, fromLayersModel, type LayersNetwork } from "./from-layers-model.ts"
import { openLayersModel, openTopology, reasons } from "./model-files.ts"
import { scoringLayer, withNewHead } from "./new-head.ts"
import { isModel, layersOf, rowSize, shapesMade } from "./topology.ts"

type Scores = "softmax" | "sigmoid" | "logits"

/** Description of a classifier; no weights are read. */
export interface DescribedLayers {
  /** path of its model.json */
  readonly source: string
  /** the model's name */
  readonly name: string
  /** linear layers, without the head's */
  readonly sites: ReadonlyArray<LinearSite>
  /** parameters of the layers without the head's, in the model's order */
  readonly parameters: ReadonlyArray<ParameterSpec>
  /** layers that are trained directly */
  readonly head: LayersNetwork["head"]
  /** paths of the head's layers */
  readonly headPaths: ReadonlyArray<string>
  /** layer that is recreated with one output per class; null: the model's own scores are used */
  readonly newHead: NewHead | null
  /** always "" */
  readonly prefix: string
  /** class names in the order of the outputs; "0", "1", … until they are known */
  readonly labels: ReadonlyArray<string>
  /** shape of one row */
  readonly inputShape: ReadonlyArray<number>
  /** value range of the images that the model was trained with, as in `data.range`; undefined: not in its file */
  readonly range: string | undefined
  /** number of layers */
  readonly layers: number
  /** values that all layers compute for one row */
  readonly activations: number
  /** meaning of the last layer's output: probabilities that sum to 1, one probability of the second class, or logits */
  readonly scores: Scores
}

/** A layer that takes the place of a model's own. */
interface NewHead {
  /** of the layer */
  readonly path: string
  /** how many the model's own scores have */
  readonly replaced: number
  /** how its kernel is initialized */
  readonly start: HeadSpec["start"]
}

/** A loaded classifier. */
export interface LayersClassifier extends LayersNetwork {
  /** class names in the order of the logits */
  readonly labels: ReadonlyArray<string>
  /** Converts the model's outputs to logits [rows, classes]. Tensor code. */
  readonly logits: (outputs: ReadonlyArray<tf.Tensor>) => tf.Tensor2D
}

interface ClassifierOptions {
  /** the layers that are trained themselves, by their paths; or what becomes of the layer that computes the scores */
  readonly head: LayersModelSection["head"]
  /** in the order of the scores; without them the model's own, "0", "1", … */
  readonly labels?: ReadonlyArray<string> | undefined
}

type Described = Effect.Effect<DescribedLayers, ModelError, FileSystem.FileSystem | Path.Path>

/**
 * Describes the classifier at `source`. Fails with all reasons why it cannot be one. If its classes differ from `labels`, its head becomes a new
 * one, unless `head` requires the checkpoint's.
 */
export const describeLayersClassifier = (source: string, { head, labels }: ClassifierOptions): Described =>
  Effect.gen(function* () {
    const model = yield* openTopology(source)
    const { classes: replaced } = yield* scoresOf(source, model)
    const classes = labels?.length ?? replaced
    const start = typeof head === "string" ? starts[head] : classes === replaced ? null : "normal"
    if (start === null && classes !== replaced) return yield* otherClasses(source, replaced, labels ?? [])
    const base = start === null ? model : yield* headed(source, model, { classes, start, seed: 0 })
    const path = start === null ? undefined : scoringLayer(base).path
    const listed = typeof head === "string" ? [] : head
    const headPaths = path === undefined ? listed : [...new Set([...listed, path])]
    const network = yield* networkOf(source, base, { head: headPaths })
    return {
      source,
      name: base.name,
      sites: network.sites,
      parameters: network.parameters,
      head: network.head,
      headPaths,
      newHead: start === null ? null : { path: path!, replaced, start },
      prefix: network.prefix,
      labels: labels ?? Array.from({ length: classes }, (_, i) => String(i)),
      inputShape: base.inputs[0]!.shape.slice(1) as ReadonlyArray<number>,
      range: (model.getUserDefinedMetadata() as { readonly range?: string } | undefined)?.range,
      layers: layersOf(base).length,
      activations: shapesMade(base).reduce((sum, { shape }) => sum + rowSize(shape), 0),
      scores: (yield* scoresOf(source, base)).scores
    }
  }).pipe(Effect.scoped)

/** How the kernel of the layer that computes the scores is initialized; null: it is the model's own. */
const starts = { new: "normal", zeros: "zeros", checkpoint: null } as const

const otherClasses = (source: string, classes: number, labels: ReadonlyArray<string>) => {
  const mismatch = `has ${classes} classes; the data have ${labels.length} labels (${labels.slice(0, 20).join(", ")})`
  return new ModelError({ folder: source, problems: [`${mismatch}: set model.head to "new"`] })
}

/** The model with a new head, as long as the scope. */
const headed = (source: string, layersModel: LayersModel, options: Parameters<typeof withNewHead>[1]) =>
  Effect.acquireRelease(
    Effect.try({
      try: () => withNewHead(layersModel, options),
      catch: (cause) => new ModelError({ folder: source, problems: [`model.head: ${messageOf(cause)}`] })
    }),
    (model) => Effect.sync(() => model.dispose())
  )

/** Loads a described model; a new head is initialized by the seed. Needs an open device; lives as long as the scope. */
export const loadLayersClassifier = (
  { source, labels, head, headPaths, newHead, scores }: DescribedLayers,
  seed: number
): Effect.Effect<LayersClassifier, ModelError, FileSystem.FileSystem | Path.Path | Scope.Scope> =>
  Effect.gen(function* () {
    const base = yield* newHead === null
      ? openLayersModel(source)
      : Effect.scopedWith((scope) =>
          Effect.flatMap(Scope.provide(openLayersModel(source), scope), (model) =>
            headed(source, model, { classes: labels.length, start: newHead.start, seed })
          )
        )
    yield* computeRow(source, base)
    const layer = newHead === null ? undefined : scoringLayer(base).layer
    const network = yield* networkOf(source, base, { head: headPaths, newHead: layer })
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

const networkOf = (source: string, base: LayersModel, options: FromLayersModelOptions) =>
  fromLayersModel(base, options).pipe(
    Effect.mapError(
      ({ problems }) =>
        new ModelError({
          folder: source,
          problems: problems.map((problem) => problem.replace(/^head: /, "model.head: "))
        })
    )
  )

/** What the scores are and how many classes there are; fails where the model is no classifier. */
const scoresOf = (source: string, base: LayersModel) =>
  Effect.flatMap(
    Effect.try({
      try: () => scoresIn(base),
      catch: (cause) => new ModelError({ folder: source, problems: reasons(cause) })
    }),
    ({ problems, ...classifier }) =>
      problems.length > 0 ? Effect.fail(new ModelError({ folder: source, problems })) : Effect.succeed(classifier)
  )

const scoresIn = (base: LayersModel) => {
  const [inputs, outputs] = [base.inputs.length, base.outputs.length]
  if (inputs !== 1 || outputs !== 1) {
    const problem = `found ${inputs} inputs and ${outputs} outputs; expected one of each: train other models in code (tfjs-lora-pro/layers)`
    return { scores: "logits" as Scores, classes: 0, problems: [problem] }
  }
  const input = base.inputs[0]!.shape.slice(1)
  const output = base.outputs[0]!.shape.slice(1)
  const activation = lastActivation(base.outputs[0]!)
  const single = output.length === 1 && output[0] === 1
  const scores: Scores =
    activation === "softmax" ? "softmax" : single && activation === "sigmoid" ? "sigmoid" : "logits"
  const classes = scores === "sigmoid" ? 2 : (output[0] ?? 0)
  const problems = [
    ...(classes <= limit("layers-model-classes")
      ? []
      : [`found ${wholeNumber(classes)} classes, more than ${overLimit("layers-model-classes")}`]),
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
const lastActivation = ({ sourceLayer: layer, inputs }: SymbolicTensor): string => {
  if (layer.getClassName() === "Softmax") return "softmax"
  if (isModel(layer)) return lastActivation(layer.outputs[0]!)
  // MobileNet's probabilities are reshaped
  if (["Reshape", "Flatten", "Dropout"].includes(layer.getClassName())) return lastActivation(inputs[0]!)
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
