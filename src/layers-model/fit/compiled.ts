/**
 * Losses and metrics that a LayersModel was compiled with, as tensor code over its outputs and targets.
 *
 *   loss = Σ over outputs of mean(lossᵢ(targetᵢ, outputᵢ))        metric = mean(metric(target, output))
 *
 * Uses tfjs's own functions, so each value equals the one that `model.fit` and `model.evaluate` report. Excludes
 * penalties of the layers' regularizers, which concern weights that are frozen here. tfjs 4.22 reports several outputs
 * in `evaluate` and `val_…` under wrong names (running sums of the losses precede them); here each has
 * its own name.
 *
 * Reads private fields of tfjs-layers 4.22 (`lossFunctions`, `metricsTensors`), as only this file and `callbacks.ts`
 * do.
 */
import type { Scalar, Tensor, Tensor1D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import type * as tfl from "@tensorflow/tfjs-layers"
import * as Result from "effect/Result"
import type { PlanProblem } from "../../../schemas/index.ts"
import { messageOf } from "../../boundary/index.ts"

export type LossOrMetric = (yTrue: Tensor, yPred: Tensor) => Tensor

/** Arguments of `model.compile`. */
export interface Compilation {
  /** loss; default: the compiled one */
  readonly loss?: tfl.ModelCompileArgs["loss"] | undefined
  /** metrics; default: the compiled ones */
  readonly metrics?: tfl.ModelCompileArgs["metrics"] | undefined
}

export interface Scored {
  readonly loss: Scalar
  /** shape `[names]`: the loss, with several outputs each output's loss, then the metrics */
  readonly scores: Tensor1D
}

/** Loss and metrics that a model was compiled with, as functions of outputs and targets. */
export interface Compiled {
  /** tfjs's names of the scores: "loss", "acc", "digit_loss" … */
  readonly names: ReadonlyArray<string>
  /** name of each output's loss, if it has one */
  readonly losses: ReadonlyArray<string | undefined>
  /** Computes all scores. Tensor code. `weights`: for each output a factor for every row's loss, [batch], or none. */
  readonly score: (
    outputs: ReadonlyArray<Tensor>,
    targets: ReadonlyArray<Tensor>,
    weights?: ReadonlyArray<Tensor | undefined>
  ) => Scored
  /** Computes the loss alone. Tensor code. */
  readonly loss: (outputs: ReadonlyArray<Tensor>, targets: ReadonlyArray<Tensor>) => Scalar
}

/** The fields of a compiled LayersModel. */
interface CompiledFields {
  readonly optimizer: tf.Optimizer | undefined
  readonly loss: unknown
  readonly outputNames: ReadonlyArray<string>
  readonly lossFunctions: ReadonlyArray<LossOrMetric | undefined>
  readonly metricsTensors: ReadonlyArray<readonly [LossOrMetric, number]>
  readonly metricsNames: ReadonlyArray<string>
}

interface SequentialFields {
  readonly add?: tfl.Sequential["add"]
  readonly build: () => void
  readonly model?: tfl.LayersModel
}

/** Returns the graph of a model: a sequential model holds it as an inner model, which tfjs builds on first use; this builds it. */
export const graphOf = (base: tfl.LayersModel): tfl.LayersModel => {
  const sequential = base as unknown as SequentialFields
  if (sequential.add === undefined) return base
  if (sequential.model === undefined) sequential.build()
  return sequential.model!
}

const NOT_COMPILED: PlanProblem = {
  path: "loss",
  message:
    'the model is not compiled; call model.compile({ optimizer, loss, metrics }) first, or pass loss here, e.g. "categoricalCrossentropy"'
}

/** Returns the model's losses and metrics, or those given instead. The model does not change. */
export const compiledOf = (
  base: tfl.LayersModel,
  { loss, metrics }: Compilation = {}
): Result.Result<Compiled, ReadonlyArray<PlanProblem>> => {
  const graph = graphOf(base)
  const compiledFields = graph as unknown as CompiledFields
  if (loss === undefined && compiledFields.optimizer == null) return Result.fail([NOT_COMPILED])
  if (loss === undefined && metrics === undefined) return checked(compiledFields)
  // compiled as tfjs does it, on an object whose prototype is the model: what is written goes there
  const before = Object.create(graph) as tfl.LayersModel
  const optimizer = tf.train.sgd(0)
  try {
    before.compile({
      optimizer,
      loss: (loss ?? compiledFields.loss) as string,
      ...(metrics === undefined ? {} : { metrics })
    })
  } catch (error) {
    const message = messageOf(error)
    return Result.fail([{ path: "loss, metrics", message }])
  } finally {
    optimizer.dispose()
  }
  return checked(before as unknown as CompiledFields)
}

const checked = (fields: CompiledFields): Result.Result<Compiled, ReadonlyArray<PlanProblem>> => {
  const problems = fields.outputNames.flatMap((name, i) =>
    typeof fields.lossFunctions[i] === "function"
      ? []
      : [{ path: "loss", message: `found none for the output "${name}"; expected a loss for every output` }]
  )
  return problems.length > 0 ? Result.fail(problems) : Result.succeed(compiled(fields))
}

const compiled = (fields: CompiledFields): Compiled => {
  const { outputNames, metricsTensors, metricsNames } = fields
  const lossFunctions = fields.lossFunctions as ReadonlyArray<LossOrMetric>
  // with several outputs tfjs's metrics begin with the outputs' losses
  const metrics = metricsTensors.slice(outputNames.length > 1 ? outputNames.length : 0)
  const lossesOf: (...scoreArguments: Parameters<Compiled["score"]>) => ReadonlyArray<Scalar> = (
    outputs,
    targets,
    weights
  ) =>
    lossFunctions.map((lossOf, i) => {
      const rows = lossOf(targets[i]!, outputs[i]!)
      const weight = weights?.[i]
      return tf.mean<Scalar>(weight === undefined ? rows : tf.mul(rows, weight))
    })
  const total = (losses: ReadonlyArray<Scalar>): Scalar => losses.reduce((sum, one) => tf.add<Scalar>(sum, one))
  return {
    names: withoutDuplicates(metricsNames),
    losses: lossNames(fields),
    loss: (outputs, targets) => total(lossesOf(outputs, targets)),
    score: (outputs, targets, weights) => {
      const losses = lossesOf(outputs, targets, weights)
      const loss = total(losses)
      const means = metrics.map(([metric, i]) => tf.mean<Scalar>(metric(targets[i]!, outputs[i]!)))
      const scores = [loss, ...(losses.length > 1 ? losses : []), ...means]
      return { loss, scores: tf.stack(scores.map((score) => tf.cast(score, "float32"))) as Tensor1D }
    }
  }
}

/** As tfjs does it: the second "acc" is "acc_1". */
const withoutDuplicates = (names: ReadonlyArray<string>): ReadonlyArray<string> =>
  names.map((name, i) => {
    const before = names.slice(0, i).filter((other) => other === name).length
    return names.filter((other) => other === name).length > 1 ? `${name}_${before}` : name
  })

const lossNames = ({ loss, outputNames }: CompiledFields): ReadonlyArray<string | undefined> =>
  outputNames.map((name, i) => {
    const outputLoss: unknown =
      typeof loss === "string"
        ? loss
        : Array.isArray(loss)
          ? loss[i]
          : (loss as Record<string, unknown> | undefined)?.[name]
    return typeof outputLoss === "string" ? outputLoss : undefined
  })
