/**
 * The covariance of what linear layers get as input, over the tokens of some batches: what EVA starts from.
 *
 *   C = 1/n Σ (x − μ)(x − μ)ᵀ    [in, in], over n tokens that are no padding
 *
 * Batches are joined as Chan, Golub & LeVeque do (1983): S ← S + S_b + n n_b/(n + n_b)·δδᵀ with δ = μ_b − μ. Each is centred on its own
 * mean, so the digits of float32 go to the variance and not to the mean, which behind a LayerNorm is far the larger.
 *
 * Layers that share an input (query, key and value) share the work.
 */
import type { Tensor1D, Tensor2D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import type { Adapted, Tap } from "../../adapters/index.ts"
import { type BatchOf, fedTo, type Network, type Rows } from "../models/model.ts"
import { type LinearSite, tidy } from "../tensors/index.ts"

/** n tokens, their mean, and Σ (x − μ)(x − μ)ᵀ. */
export interface Moments {
  readonly tokens: number
  readonly mean: Tensor2D // [1, in]
  readonly scatter: Tensor2D // [in, in]
}

/**
 * The moments of one batch at the inputs of `sites`, by site name; the tensors of sites with one input are the same. The caller
 * disposes them.
 */
export const inputMoments = <M extends Network>(
  { model, forward, trainable }: Pick<Adapted<M>, "model" | "forward" | "trainable">,
  batch: BatchOf<M>,
  sites: ReadonlyArray<LinearSite>
): ReadonlyMap<string, Moments> => {
  const wanted = new Set(sites.map(({ name }) => name))
  const found = new Map<string, Moments>()
  const byInput = new Map<number, Moments>()
  tidy(() => {
    const { input, mask } = fedTo(model, batch)
    const tap: Tap = ({ name }, x, y) => {
      if (!wanted.has(name)) return y
      const moments = byInput.get(x.id) ?? momentsOf(x, batch, mask)
      byInput.set(x.id, moments)
      found.set(name, moments)
      return y
    }
    forward(input, trainable, { tap })
  })
  return found
}

/** x [tokens, in]; a layer behind the pooling sees one row of x for each row of the batch, and none of them is padding. */
const momentsOf = (x: Tensor2D, batch: Rows, mask: Tensor1D | undefined): Moments => {
  const padded = mask !== undefined && x.shape[0] === mask.size && batch.tokens < x.shape[0]
  const tokens = padded ? batch.tokens : x.shape[0]
  const [mean, scatter] = tidy(() => {
    const weight = padded ? tf.expandDims<Tensor2D>(mask, 1) : tf.ones<tf.Rank.R2>([x.shape[0], 1])
    const mean = tf.div<Tensor2D>(tf.matMul(weight, x, true, false), tokens)
    const centred = tf.mul<Tensor2D>(tf.sub(x, mean), weight)
    return [tf.keep(mean), tf.keep(tf.matMul(centred, centred, true, false))] as const
  })
  return { tokens, mean, scatter }
}

/** Those of the batches of both; uses them up. */
export const joinedMoments = (
  a: ReadonlyMap<string, Moments>,
  b: ReadonlyMap<string, Moments>
): ReadonlyMap<string, Moments> => {
  const byInput = new Map<Moments, Moments>()
  return new Map(
    [...b].map(([name, own]) => {
      const both = byInput.get(own) ?? joined(a.get(name)!, own)
      byInput.set(own, both)
      return [name, both]
    })
  )
}

const joined = (a: Moments, b: Moments): Moments => {
  const tokens = a.tokens + b.tokens
  const [mean, scatter] = tidy(() => {
    const apart = tf.sub<Tensor2D>(b.mean, a.mean)
    const between = tf.mul(tf.matMul(apart, apart, true, false), (a.tokens * b.tokens) / tokens)
    const mean = tf.add<Tensor2D>(a.mean, tf.mul(apart, b.tokens / tokens))
    return [mean, tf.add<Tensor2D>(tf.add(a.scatter, b.scatter), between)] as const
  })
  releaseMoments([a, b])
  return { tokens, mean, scatter }
}

/** C of each site, a tensor of its own (handles of one where the input is one); uses the moments up. */
export const covariancesOf = (moments: ReadonlyMap<string, Moments>): ReadonlyMap<string, Tensor2D> => {
  const byInput = new Map<Moments, Tensor2D>()
  const covariances = new Map(
    [...moments].map(([name, own]) => {
      const one = byInput.get(own) ?? tf.div<Tensor2D>(own.scatter, own.tokens)
      byInput.set(own, one)
      return [name, one.clone()] as const
    })
  )
  tf.dispose([...byInput.values()])
  releaseMoments(moments.values())
  return covariances
}

export const releaseMoments = (moments: Iterable<Moments>): void =>
  tf.dispose([...new Set(moments)].flatMap(({ mean, scatter }) => [mean, scatter]))
