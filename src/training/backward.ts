/** Loss and gradients of a step: the mean over the rows (or tokens) of all its batches, one batch on the device at a time. */

import type { Scalar, Tensor, Tensor2D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import type { Tap } from "../../adapters/index.ts"
import { type BatchOf, type Model, type Network, type Rows, toDevice } from "../models/index.ts"
import {
  type LinearSite,
  recomputed,
  type Trainable,
  tensorsOf,
  tidy,
  valueAndGradients,
  weightTap,
  withTensors
} from "../tensors/index.ts"
import { penalised } from "./loss.ts"
import type { Session } from "./session.ts"

export interface LossAndGradients {
  /** mean over the terms of all batches, without the method's penalty */
  readonly loss: Scalar
  /** gradients of that mean plus the method's penalty, for every trainable tensor */
  readonly gradients: Trainable
}

/**
 * Input of the backward pass: the loss with the current parameters. `step`: number of steps taken, which determines the dropout masks, as in
 * training; absent: no dropout.
 */
export type Differentiated<M extends Network = Model> = Pick<Session<M>, "adapted" | "loss"> &
  Partial<Pick<Session<M>, "recompute" | "step">>

/** Computes the loss and gradients of a step. The caller disposes both. */
export const backward = <M extends Network>(
  session: Differentiated<M>,
  batches: ReadonlyArray<BatchOf<M>>
): LossAndGradients => {
  const params = session.adapted.trainable
  const { loss, gradients } = differentiate(session, batches, tensorsOf(params))
  return { loss, gradients: withTensors(params, gradients) }
}

/**
 * Computes the loss, and its gradients with respect to any tensors that it depends on, in their order. The gradients include those of the
 * method's penalty, which the returned loss does not. `tap`: as in `Adapted.forward`.
 */
export const differentiate = <M extends Network>(
  session: Differentiated<M>,
  batches: ReadonlyArray<BatchOf<M>>,
  xs: ReadonlyArray<Tensor>,
  tap?: Tap
): { readonly loss: Scalar; readonly gradients: ReadonlyArray<Tensor> } => {
  /** [loss, …gradients] so far */
  let total: ReadonlyArray<Tensor> = []
  for (const i of batches.keys()) {
    const microResult = microBatch(session, batches, i, xs, tap)
    total = total.length === 0 ? microResult : microResult.map((tensor, i) => added(total[i]!, tensor))
  }
  return { loss: total[0] as Scalar, gradients: total.slice(1) }
}

/** Computes [loss, …gradients] of batch i of a step: its part of the mean over all batches. */
export const microBatch = <M extends Network>(
  { adapted, loss, recompute, step }: Differentiated<M>,
  batches: ReadonlyArray<BatchOf<M>>,
  i: number,
  xs: ReadonlyArray<Tensor>,
  tap?: Tap
): ReadonlyArray<Tensor> => {
  const batch = batches[i]!
  const runBlock = recompute === "blocks" ? recomputed : undefined
  const { penalty, trainable: params } = adapted
  const training = step === undefined ? undefined : { step, batch: i }
  const share = countOf(batch) / batches.reduce((sum, one) => sum + countOf(one), 0)
  return tidy((): ReadonlyArray<Tensor> => {
    const { input, target } = toDevice(adapted.model, batch)
    const { value, gradients } = valueAndGradients(() => {
      const mean = loss(adapted.forward(input, params, { tap, runBlock, training }), target)
      const part = share === 1 ? mean : tf.mul<Scalar>(mean, share)
      // of the parameters, not of the rows: once a step
      return penalty === null || i > 0 ? part : penalised(part, penalty(params))
    }, xs)
    return [value, ...gradients]
  })
}

const countOf = ({ size, counted = size }: Rows): number => counted

/** a + b; disposes both, so that only one whole set of gradients is held. */
const added = (a: Tensor, b: Tensor): Tensor => {
  const sum = tf.add(a, b)
  tf.dispose([a, b])
  return sum
}

/** By site name; the caller disposes them. */
export type FullGradients = ReadonlyMap<string, Tensor2D> // [out, in]

/**
 * Computes the full gradient g = ∂L/∂W′ [out, in] of adapted layers' weights: the direction of full fine-tuning.
 *
 * LoRA's own backward pass never forms it (gA = s·Bᵀg and gB = s·gAᵀ are computed without). Diagnostics compare it with a method's
 * update, and LoRA-GA is initialized from it. Costs one more product per chosen layer (`weightTap`), from x and dy of the same pass, for any
 * method, over packed weights, and under `recompute: "blocks"`.
 *
 * Where the adapter's input has dropout D, y = xWᵀ + D(x)(W′ − W)ᵀ, and g = dyᵀD(x). With it gA = s·Bᵀg and gB = s·gAᵀ hold exactly,
 * for the masks of this step.
 *
 * Returns g at each of `sites`, of the loss's mean over all rows, with one batch on the device at a time.
 */
export const fullGradients = <M extends Network>(
  session: Differentiated<M>,
  batches: ReadonlyArray<BatchOf<M>>,
  sites: ReadonlyArray<LinearSite>
): FullGradients =>
  withTaps(sites, (tap, taps) => {
    const { loss, gradients } = differentiate(session, batches, [...taps.values()], tap)
    loss.dispose()
    return named(taps, gradients)
  })

export interface WithFullGradients extends LossAndGradients {
  /** full gradient by layer name, `[out, in]`: with respect to the weight W that the layer computes with */
  readonly full: FullGradients
}

/**
 * Computes `backward` with the full gradients at `sites` from the same pass. Loss and gradients have the same bits, except on a GPU: layers that
 * share an input are computed together there, and a chosen one separately.
 */
export const backwardWithFull = <M extends Network>(
  session: Differentiated<M>,
  batches: ReadonlyArray<BatchOf<M>>,
  sites: ReadonlyArray<LinearSite>
): WithFullGradients =>
  withTaps(sites, (tap, taps) => {
    const params = session.adapted.trainable
    const parameters = tensorsOf(params)
    const { loss, gradients } = differentiate(session, batches, [...parameters, ...taps.values()], tap)
    return {
      loss,
      gradients: withTensors(params, gradients.slice(0, parameters.length)),
      full: named(taps, gradients.slice(parameters.length))
    }
  })

const named = (taps: Taps, gradients: ReadonlyArray<Tensor>): FullGradients =>
  new Map([...taps.keys()].map((name, i) => [name, gradients[i] as Tensor2D]))

/** Z by site name */
type Taps = ReadonlyMap<string, Tensor2D>

/** A Z for each site while `f` runs: handles of one tensor of zeros for each shape. */
const withTaps = <T>(sites: ReadonlyArray<LinearSite>, f: (tap: Tap, taps: Taps) => T): T => {
  const zeros = new Map<string, Tensor2D>()
  const taps = new Map<string, Tensor2D>()
  for (const { name, out, in: inputs } of sites) {
    if (taps.has(name)) continue
    const shape = `${out}×${inputs}`
    const same = zeros.get(shape) ?? tf.zeros<tf.Rank.R2>([out, inputs])
    zeros.set(shape, same)
    taps.set(name, same.clone())
  }
  const tap: Tap = ({ name }, x, y) => {
    const Z = taps.get(name)
    return Z === undefined ? y : weightTap(x, y, Z)
  }
  try {
    return f(tap, taps)
  } finally {
    tf.dispose([...zeros.values(), ...taps.values()])
  }
}
