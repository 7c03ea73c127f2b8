/** A model under a head whose outputs are compared with numbers: what its kinds of runs share while they train and afterwards. */
import type { Tensor1D, Tensor2D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Adapted } from "../../../adapters/index.ts"
import type { RunPlan } from "../../../schemas/index.ts"
import {
  askedTargets,
  type BatchPosition,
  type DataError,
  type RowSource,
  type TargetBatch,
  type TargetRows,
  type TargetText,
  type TextFields,
  targetBatches,
  targetTrainingBatches
} from "../../data/index.ts"
import { Device } from "../../device/device.ts"
import { loadDescribed, type Model, type TokenBatch, tokenTensors } from "../../models/index.ts"
import { floats, inRounds, type RankError } from "../../ranks/index.ts"
import type { DeviceReadError } from "../../tensors/index.ts"
import { logitsOf } from "../../training/index.ts"
import { type EncoderPlan, longestText, type ResolvedEncoderPlan } from "./resolve.ts"

/** A text model whose targets are numbers: float32 [batch, outputs]. `labels`: the outputs' names. */
export interface TargetModel extends Omit<Model, "toDevice"> {
  readonly toDevice: (batch: TargetRows) => {
    readonly input: TokenBatch
    readonly target: Tensor2D
    readonly mask: Tensor1D
  }
}

/** Encoder plans whose rows are pooled by length. */
export type TargetPlan = EncoderPlan & { readonly data: { readonly bucketPool: number } }

type Loadable = Pick<ResolvedEncoderPlan<TargetPlan, never>, "plan" | "selected" | "model">

const targetsToDevice = (batch: TargetRows) => {
  const input = tokenTensors(batch)
  // a batch that is asked for its outputs alone has no targets
  const { size, targets = new Float32Array(0) } = batch as Partial<TargetRows> & TargetRows
  const target = tf.tensor2d(targets, [size, targets.length / size], "float32")
  return { input, target, mask: tf.reshape(input.attentionMask, [size * batch.length]) as Tensor1D }
}

/** The model on the device, for as long as the scope. What is trained itself starts from its own numbers, not from rounded ones. */
export const loadTargetModel = ({ plan, model, selected }: Loadable) =>
  loadDescribed(model, { seed: plan.seed, weights: plan.model.weights, whole: selected.parameters }).pipe(
    Effect.map((loaded): TargetModel => ({ ...loaded, toDevice: targetsToDevice }))
  )

/** A model that was loaded as a classifier, with numbers as its targets. */
export const withTargets = (adapted: Adapted): Adapted<TargetModel> => ({
  ...adapted,
  model: { ...adapted.model, toDevice: targetsToDevice }
})

/** A plan's batches from `start` on. */
export const planTargetBatches = (
  model: TargetModel,
  {
    plan,
    source,
    start
  }: { readonly plan: TargetPlan; readonly source: RowSource<TargetText>; readonly start: BatchPosition }
) =>
  Stream.unwrap(
    Effect.map(Device, ({ padMultiple }) =>
      targetTrainingBatches(source, model.tokenizer, {
        seed: plan.seed,
        batchSize: plan.training.batchSize,
        bucketPool: plan.data.bucketPool,
        maxLength: longestText(plan, model),
        padMultiple,
        start
      })
    )
  )

/** What a model says of rows: outputs and targets [rows, outputs], row-major, in the order of the rows. */
export interface Outputs {
  readonly rows: number
  readonly outputs: Float32Array
  readonly targets: Float32Array
}

interface OutputOptions {
  /** the first rows, this many; all unless given */
  readonly rows?: number | undefined
  /** called with the number of rows that are done */
  readonly done?: (rows: number) => Effect.Effect<void>
}

/** The outputs on rows of a source, each once, divided among ranks. */
export const outputsOf = (
  adapted: Adapted<TargetModel>,
  plan: TargetPlan,
  source: RowSource<TargetText>,
  { rows: wanted = source.rows, done = () => Effect.void }: OutputOptions = {}
): Effect.Effect<Outputs, DataError | DeviceReadError | RankError, Device> =>
  Effect.gen(function* () {
    const { padMultiple } = yield* Device
    const { model } = adapted
    const width = model.labels.length
    const rows = Math.min(wanted, source.rows)
    const outputs = new Float32Array(rows * width)
    const targets = new Float32Array(rows * width)
    const batches: Stream.Stream<TargetBatch, DataError> = targetBatches(source, model.tokenizer, {
      batchSize: plan.training.evaluateBatchSize,
      maxLength: longestText(plan, model),
      padMultiple,
      rows
    })
    let seen = 0
    const use = (batch: TargetBatch, own: Float32Array) =>
      Effect.suspend(() => {
        for (const [i, row] of batch.rows.entries()) {
          outputs.set(own.subarray(i * width, (i + 1) * width), row * width)
          targets.set(batch.targets.subarray(i * width, (i + 1) * width), row * width)
        }
        seen += batch.size
        return done(seen)
      })
    yield* batches.pipe(inRounds({ compute: (batch) => logitsOf(adapted, batch), as: floats, use }))
    return { rows, outputs, targets }
  })

/** The outputs [texts, outputs] on texts that are asked about. */
export const outputsOfTexts = (
  adapted: Adapted<TargetModel>,
  plan: TargetPlan & RunPlan,
  texts: ReadonlyArray<TextFields>
) => Effect.map(outputsOf(adapted, plan, askedTargets(texts, adapted.model.labels.length)), ({ outputs }) => outputs)
