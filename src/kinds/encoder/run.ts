/** Shared by runs over encoders: loading and inference, and the runner of models with a head whose outputs are compared with numbers. */
import type { Tensor1D, Tensor2D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import type { Adapted } from "../../../adapters/index.ts"
import type { RunPlan } from "../../../schemas/index.ts"
import {
  type DataError,
  type RowSource,
  type TargetBatch,
  type TargetRows,
  type TargetText,
  type TextColumns,
  targetBatches,
  targetTrainingBatches,
  unknownTargets
} from "../../data/index.ts"
import type { Device } from "../../device/device.ts"
import { loadDescribed, type Model, type TokenBatch, tokenTensors } from "../../models/index.ts"
import { CHECKED_ROWS } from "../../output/index.ts"
import type { OpenedData, Splits } from "../../plan/index.ts"
import { floats, inRounds, type RankError } from "../../ranks/index.ts"
import type { DeviceReadError } from "../../tensors/index.ts"
import {
  type Evaluation,
  keepWorst,
  type Loss,
  logitsOf,
  overAll,
  type RowScores,
  type WrongRow
} from "../../training/index.ts"
import { adapterFolder } from "../contract/adapter-folder.ts"
import type { Asked, Prediction, Runner, World } from "../contract/index.ts"
import { evaluatedBatches, plannedBatches } from "../rows/batches.ts"
import { askedProblem, askedTexts, askingTexts } from "../rows/predictions.ts"
import { type EncoderPlan, longestText, type ResolvedEncoderPlan } from "./resolve.ts"

/** Runner of encoders with a head. */
export const headRunner = {
  asking: askingTexts(({ data }: { readonly data: TextColumns }) => data),
  problemOf: (_: unknown, { data }: { readonly data: TextColumns }, row: Asked) => askedProblem(row, data),
  ...adapterFolder
}

type Loadable = Pick<ResolvedEncoderPlan<EncoderPlan, never>, "plan" | "selected" | "model">

/** Loads the model on the device, until the scope closes. Weights that are trained in full are not rounded to the plan's precision. */
export const loadEncoder = ({ plan, model, selected }: Loadable) =>
  loadDescribed(model, { seed: plan.seed, weights: plan.model.weights, whole: selected.parameters })

/** A text model with numeric targets: float32 [batch, outputs]. `labels`: names of the outputs. */
export interface TargetModel extends Omit<Model, "toDevice"> {
  readonly toDevice: (batch: TargetRows) => {
    readonly input: TokenBatch
    readonly target: Tensor2D
    readonly mask: Tensor1D
  }
}

const targetsToDevice = (batch: TargetRows) => {
  const input = tokenTensors(batch)
  // batches for predictions have no targets
  const { size, targets = new Float32Array(0) } = batch as Partial<TargetRows> & TargetRows
  const target = tf.tensor2d(targets, [size, targets.length / size], "float32")
  return { input, target, mask: tf.reshape(input.attentionMask, [size * batch.length]) as Tensor1D }
}

/** Converts a model that was loaded as a classifier to one with numeric targets and the additional fields of `trained`. */
export const withTargets = <M extends TargetModel>(adapted: Adapted, trained: M) =>
  ({ ...adapted, model: { ...trained, ...adapted.model, toDevice: targetsToDevice } }) as Adapted<M>

/** Encoder plans whose rows are pooled by length. */
type TargetPlan = EncoderPlan & { readonly data: { readonly bucketPool: number } & TextColumns }

/** Outputs of a model for rows: outputs and targets [rows, outputs], row-major, in the order of the rows. */
export interface Outputs {
  readonly rows: number
  readonly outputs: Float32Array
  readonly targets: Float32Array
}

interface OutputOptions {
  /** number of rows, from the beginning; default: all */
  readonly rows?: number | undefined
  /** called with the number of finished rows */
  readonly done?: (rows: number) => Effect.Effect<void>
}

/** Returns the outputs for the rows of a source, each once, divided among ranks. */
export const outputsOf = (
  adapted: Adapted<TargetModel>,
  plan: TargetPlan,
  source: RowSource<TargetText>,
  { rows: most = source.rows, done = () => Effect.void }: OutputOptions = {}
): Effect.Effect<Outputs, DataError | DeviceReadError | RankError, Device> =>
  Effect.gen(function* () {
    const { model } = adapted
    const width = model.labels.length
    const rows = Math.min(most, source.rows)
    const outputs = new Float32Array(rows * width)
    const targets = new Float32Array(rows * width)
    const batches = evaluatedBatches(plan, longestText(plan, model), rows, (options) =>
      targetBatches(source, model.tokenizer, options)
    )
    let finished = 0
    const use = (batch: TargetBatch, values: Float32Array) =>
      Effect.suspend(() => {
        for (const [i, row] of batch.rows.entries()) {
          outputs.set(values.subarray(i * width, (i + 1) * width), row * width)
          targets.set(batch.targets.subarray(i * width, (i + 1) * width), row * width)
        }
        finished += batch.size
        return done(finished)
      })
    yield* batches.pipe(inRounds({ compute: (batch) => logitsOf(adapted, batch), as: floats, use }))
    return { rows, outputs, targets }
  })

/** Returns the outputs [rows, outputs] with which a merged model is compared. */
export const checkedTargets = (adapted: Adapted<TargetModel>, plan: TargetPlan, source: RowSource<TargetText>) =>
  Effect.map(outputsOf(adapted, plan, source, { rows: CHECKED_ROWS }), ({ outputs }) => outputs)

/** Returns values by the names of the outputs. */
export const byName = (names: ReadonlyArray<string>, values: ArrayLike<number>): Readonly<Record<string, number>> =>
  Object.fromEntries(names.map((name, i) => [name, values[i]!]))

interface TargetsOpened extends OpenedData {
  readonly splits: Splits<RowSource<TargetText>>
}

/** The parts of a run with numeric targets that differ between kinds. */
interface TargetRun<Plan extends TargetPlan, Data extends TargetsOpened, M extends TargetModel> {
  readonly loss: Loss<TargetModel>
  /** returns the model with the kind's additional fields */
  loaded(model: TargetModel, plan: Plan): M
  /** returns the training rows as the model learns them */
  readonly learned: (data: Data) => RowSource<TargetText>
  splits(model: M, plan: Plan, file?: string): Effect.Effect<Data["splits"], DataError, World>
  /** returns the expected output of a row as text; `source`: its split */
  expected(source: Data["splits"]["train"], row: TargetText): string
  /** returns each metric as a function of the rows, in display order */
  scores(outputs: Outputs, model: M): RowScores
  /** returns the prediction for the outputs of one row */
  said(outputs: Float32Array, model: M): Omit<Prediction, "text" | "textPair">
  /** returns the error of the outputs; null if they are right */
  wrong(outputs: Float32Array, targets: Float32Array, model: M): number | null
}

export const targetRunner = <Plan extends TargetPlan & RunPlan, Data extends TargetsOpened, M extends TargetModel>({
  loss,
  loaded,
  learned,
  splits,
  expected,
  scores,
  said,
  wrong
}: TargetRun<Plan, Data, M>): Runner<Plan, ResolvedEncoderPlan<Plan, Data>, M, Data["splits"]["train"]> => {
  const rowOf = (values: Float32Array, row: number, { labels: { length } }: M) =>
    values.subarray(row * length, (row + 1) * length)
  const wrongRows = ({ rows, outputs, targets }: Outputs, model: M): ReadonlyArray<WrongRow> =>
    Array.from({ length: rows }, (_, row) => row).flatMap((row) => {
      const rowOutputs = rowOf(outputs, row, model)
      const weight = wrong(rowOutputs, rowOf(targets, row, model), model)
      return weight === null ? [] : [{ row, predicted: said(rowOutputs, model).label, weight }]
    })
  return {
    ...headRunner,
    loss: () => loss,
    load: (resolved) =>
      Effect.map(loadEncoder(resolved), (model) => loaded({ ...model, toDevice: targetsToDevice }, resolved.plan)),
    batches: (model, { plan, data }, start) =>
      plannedBatches(plan, longestText(plan, model), start, (options) =>
        targetTrainingBatches(learned(data), model.tokenizer, options)
      ),
    splits: ({ model }, plan, file) => splits(model, plan, file),
    evaluate: (adapted, plan, source, { mistakes, scored, ...options }) =>
      Effect.map(outputsOf(adapted, plan, source, options), (computed) => {
        mistakes?.add(wrongRows(computed, adapted.model))
        const all = scores(computed, adapted.model)
        scored?.(all)
        const values = Object.fromEntries(Object.entries(all).map(([name, score]) => [name, overAll(score)]))
        return { rows: computed.rows, ...values } as Evaluation
      }),
    keepMistakes: (source, limit) => keepWorst(source, limit, (row) => expected(source, row)),
    predict: (adapted, plan, inputs) =>
      Effect.gen(function* () {
        const { model } = adapted
        const texts = yield* askedTexts(inputs, plan.data)
        const { outputs } = yield* outputsOf(adapted, plan, unknownTargets(texts, model.labels.length))
        return texts.map((text, row): Prediction => ({ ...text, ...said(rowOf(outputs, row, model), model) }))
      })
  }
}
