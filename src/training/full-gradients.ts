/**
 * The full gradient g = ∂L/∂W′ [out, in] of the weights that adapted sites compute with: what full fine-tuning would follow from here.
 *
 * LoRA's own backward pass never forms it (gA = s·Bᵀg and gB = s·gAᵀ come without). Diagnostics compare it with what a method makes of
 * it, and LoRA-GA starts from it. One more product for each chosen site (`weightTap`); with x and dy of the same pass, at any method,
 * over packed weights, and under `recompute: "blocks"`.
 *
 * Where the adapter's input is dropped, y = xWᵀ + D(x)(W′ − W)ᵀ, and g is the gradient of what stands behind D:
 * g = dyᵀD(x). With it gA = s·Bᵀg and gB = s·gAᵀ hold exactly, for the masks of this step.
 */
import type { Tensor, Tensor2D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import type { Tap } from "../../adapters/index.ts"
import type { BatchOf, Network } from "../models/model.ts"
import { type LinearSite, tensorsOf, weightTap, withTensors } from "../tensors/index.ts"
import { type Differentiated, differentiate, type LossAndGradients } from "./backward.ts"

/** By site name; the caller disposes them. */
export type FullGradients = ReadonlyMap<string, Tensor2D> // [out, in]

/** g at each of `sites`: that of the loss's mean over all rows, one batch on the device at a time. */
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
  readonly full: FullGradients
}

/** `backward`, with the full gradients at `sites` out of the same pass. Loss and gradients have the bits that they have without. */
export const backwardWithFull = <M extends Network>(
  session: Differentiated<M>,
  batches: ReadonlyArray<BatchOf<M>>,
  sites: ReadonlyArray<LinearSite>
): WithFullGradients =>
  withTaps(sites, (tap, taps) => {
    const params = session.adapted.trainable
    const own = tensorsOf(params)
    const { loss, gradients } = differentiate(session, batches, [...own, ...taps.values()], tap)
    return {
      loss,
      gradients: withTensors(params, gradients.slice(0, own.length)),
      full: named(taps, gradients.slice(own.length))
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
