/**
 * Calibration on training data before the first step: gradients of the frozen model (LoRA-GA, LoRA-One, GoRA), covariances of inputs (EVA)
 * (`adapters/init/calibration.ts`).
 *
 * Streamed: layers request data one after another, as `inject` initializes them, and each is answered from a pass over the batches that covers
 * as many of the following layers as fit in `bytes`. A small model takes one pass; for a large one, no more than that is on the device. An
 * init that decides ranks requests each layer twice: what fits is kept until then, and the rest is computed again.
 */

import type { Tensor1D, Tensor2D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type Adapted, type Calibrate, type Calibration, InitError, type Tap, unadapted } from "../../adapters/index.ts"
import { type BatchOf, type Model, type Network, type Rows, toDevice } from "../models/index.ts"
import { workingThrough } from "../progress/index.ts"
import { type DeviceReadError, type LinearSite, tidy } from "../tensors/index.ts"
import { type Differentiated, type FullGradients, fullGradients } from "./backward.ts"
import type { SessionOptions } from "./session-options.ts"

/** Options for `calibrating`: the batches that an init uses, and its memory limit. */
export interface CalibratingOptions<M extends Network = Model> extends Pick<SessionOptions<M>, "loss" | "recompute"> {
  /** first training batches, at least as many as the init needs */
  readonly batches: ReadonlyArray<BatchOf<M>>
  /** layers that will request data, in this order; default: all layers of the model */
  readonly sites?: ReadonlyArray<LinearSite>
  /** memory to hold results for later layers, in bytes; default 256 MiB, and a pass needs as much again */
  readonly bytes?: number
}

/**
 * Creates the `calibrate` function for `inject`. The base is frozen and the head at initialization. Results that were not requested
 * are freed with the scope.
 *
 * @example
 * import { Effect } from "effect"
 * import { inject, lora } from "tfjs-lora-pro/adapters"
 * import type { BatchOf, Model } from "tfjs-lora-pro/models"
 * import { calibrating, crossEntropy } from "tfjs-lora-pro/training"
 *
 * const adapted = (model: Model, batches: ReadonlyArray<BatchOf<Model>>) =>
 *   Effect.gen(function* () {
 *     const calibrate = yield* calibrating(model, { batches, loss: crossEntropy })
 *     const init = { kind: "eva", batches: batches.length } as const
 *     return yield* inject(model, lora, { rank: 8, alpha: 16, scaling: "standard", targets: "all-linear", init, calibrate })
 *   })
 */
export const calibrating = <M extends Network = Model>(
  model: M,
  { batches, loss, recompute = "none", sites = model.sites, bytes = 2 ** 28 }: CalibratingOptions<M>
): Effect.Effect<Calibrate, InitError | DeviceReadError, Scope.Scope> =>
  Effect.gen(function* () {
    const adapted = yield* unadapted(model)
    const held = new Map<string, Tensor2D>()
    yield* Effect.addFinalizer(() => Effect.sync(() => tf.dispose([...held.values()])))
    const keyOf = ({ name }: LinearSite, { what, batches: count }: Calibration) => `${what} ${count} ${name}`
    const groupFrom = (site: LinearSite, calibration: Calibration) => {
      const at = sites.findIndex(({ name }) => name === site.name)
      const following =
        at < 0
          ? []
          : sites.slice(at + 1).filter((other) => asks(other, calibration) && !held.has(keyOf(other, calibration)))
      return fitting([site, ...following], bytes, calibration)
    }
    /** Does everything that sites ask for fit at once? */
    const all = (calibration: Calibration) => {
      const asking = sites.filter((site) => asks(site, calibration))
      return fitting(asking, bytes, calibration).length === asking.length
    }
    return (site, calibration) =>
      Effect.gen(function* () {
        if (calibration.batches > batches.length) return yield* tooFew(site, calibration, batches.length)
        const key = keyOf(site, calibration)
        if (!held.has(key)) {
          const group = groupFrom(site, calibration)
          const seen = yield* looks[calibration.what](
            { adapted, loss, recompute },
            batches.slice(0, calibration.batches),
            group
          )
          for (const other of group) held.set(keyOf(other, calibration), seen.get(other.name)!)
        }
        const answer = held.get(key)!
        if (calibration.again === true && all(calibration)) return answer.clone()
        held.delete(key)
        return answer
      })
  })

/** An embedding's inputs are row numbers, which have no covariance. */
const asks = ({ kind }: LinearSite, { what }: Calibration): boolean => what === "gradient" || kind !== "embedding"

/** The first site, and those after it that fit in `bytes` with it. */
const fitting = (sites: ReadonlyArray<LinearSite>, bytes: number, { what }: Calibration): ReadonlyArray<LinearSite> => {
  let room = bytes
  const last = sites.findIndex(({ out, in: inputs }, i) => {
    room -= 4 * (what === "gradient" ? out : inputs) * inputs
    return i > 0 && room < 0
  })
  return last < 0 ? sites : sites.slice(0, last)
}

const tooFew = (site: LinearSite, calibration: Calibration, available: number): InitError =>
  new InitError({
    site: site.name,
    init: calibration.init,
    reason: `it needs ${calibration.batches} training batches, but ${available} were given; give Training.calibrating more, or set the init's batches to ${available}`
  })

/** Answers for a group of sites, from one pass over the batches. */
type Look = <M extends Network>(
  session: Differentiated<M>,
  batches: ReadonlyArray<BatchOf<M>>,
  sites: ReadonlyArray<LinearSite>
) => Effect.Effect<ReadonlyMap<string, Tensor2D>>

const gradients = <M extends Network>(
  session: Differentiated<M>,
  batches: ReadonlyArray<BatchOf<M>>,
  sites: ReadonlyArray<LinearSite>
) => {
  const rows = batches.reduce((sum, batch) => sum + batch.size, 0)
  const share = (batch: BatchOf<M>) =>
    mapped(fullGradients(session, [batch], sites), (_, gradient) =>
      used([gradient], () => tf.mul(gradient, batch.size / rows))
    )
  return overBatches<FullGradients, BatchOf<M>>(batches, {
    see: share,
    join: (a, b) => mapped(a, (name, before) => used([before, b.get(name)!], () => tf.add(before, b.get(name)!))),
    release: (seen) => tf.dispose([...seen.values()])
  })
}

const inputs = <M extends Network>(
  { adapted }: Differentiated<M>,
  batches: ReadonlyArray<BatchOf<M>>,
  sites: ReadonlyArray<LinearSite>
) =>
  Effect.map(
    overBatches<ReadonlyMap<string, Moments>, BatchOf<M>>(batches, {
      see: (batch) => inputMoments(adapted, batch, sites),
      join: joinedMoments,
      release: (seen) => releaseMoments(seen.values())
    }),
    covariancesOf
  )

const looks = { gradient: gradients, inputs } satisfies { readonly [What in Calibration["what"]]: Look }

/** Uses up what it joins. */
interface Sum<T, B> {
  readonly see: (batch: B) => T
  readonly join: (a: T, b: T) => T
  readonly release: (seen: T) => void
}

/** One batch after another, giving up the thread in between: for an interruption, or a page that is to be drawn. */
const overBatches = <T, B>(batches: ReadonlyArray<B>, { see, join, release }: Sum<T, B>): Effect.Effect<T> =>
  Effect.suspend(() => {
    const sum: Array<T> = []
    const add = (batch: B) =>
      Effect.sync(() => {
        const data = see(batch)
        sum[0] = sum.length === 0 ? data : join(sum[0]!, data)
      })
    return workingThrough("calibrating on training batches", "batches", batches, (batch) =>
      Effect.andThen(add(batch), Effect.sleep(0))
    ).pipe(
      Effect.map(() => sum[0]!),
      Effect.onError(() => Effect.sync(() => sum.forEach(release)))
    )
  })

const mapped = (tensors: FullGradients, f: (name: string, tensor: Tensor2D) => Tensor2D): FullGradients =>
  new Map([...tensors].map(([name, tensor]) => [name, f(name, tensor)]))

/** f(); disposes the tensors afterwards. */
const used = <T>(tensors: ReadonlyArray<Tensor2D>, f: () => T): T => {
  const result = f()
  tf.dispose([...tensors])
  return result
}

/**
 * Number of tokens n, their mean, and Σ (x − μ)(x − μ)ᵀ: for the covariance of linear layers' inputs over the tokens of some batches.
 *
 *   C = 1/n Σ (x − μ)(x − μ)ᵀ    [in, in], over n tokens, without padding
 *
 * Batches are merged after Chan, Golub & LeVeque (1983): S ← S + S_b + n n_b/(n + n_b)·δδᵀ with δ = μ_b − μ. Each is centred on its own
 * mean, so float32 precision is spent on the variance and not on the mean, which after a LayerNorm is far larger. Layers that share
 * an input (query, key and value) share the computation.
 */
export interface Moments {
  readonly tokens: number
  readonly mean: Tensor2D // [1, in]
  readonly scatter: Tensor2D // [in, in]
}

/**
 * Computes the moments of one batch at the inputs of `sites`, by layer name; layers with the same input share tensors. The caller
 * disposes them.
 */
export const inputMoments = <M extends Network>(
  { model, forward, trainable }: Pick<Adapted<M>, "model" | "forward" | "trainable">,
  batch: BatchOf<M>,
  sites: ReadonlyArray<LinearSite>
): ReadonlyMap<string, Moments> => {
  const wanted = new Set(sites.map(({ name }) => name))
  const momentsByName = new Map<string, Moments>()
  const byInput = new Map<number, Moments>()
  tidy(() => {
    const { input, mask } = toDevice(model, batch)
    const tap: Tap = ({ name }, x, y) => {
      if (!wanted.has(name)) return y
      const moments = byInput.get(x.id) ?? momentsOf(x, batch, mask)
      byInput.set(x.id, moments)
      momentsByName.set(name, moments)
      return y
    }
    forward(input, trainable, { tap })
  })
  return momentsByName
}

/** x [tokens, in]; a layer after the pooling gets one row of x for each row of the batch, none of them padding. */
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

/** Merges the moments of two sets of batches, and disposes both. */
export const joinedMoments = (
  a: ReadonlyMap<string, Moments>,
  b: ReadonlyMap<string, Moments>
): ReadonlyMap<string, Moments> => {
  const byInput = new Map<Moments, Moments>()
  return new Map(
    [...b].map(([name, momentsOfLayer]) => {
      const both = byInput.get(momentsOfLayer) ?? joined(a.get(name)!, momentsOfLayer)
      byInput.set(momentsOfLayer, both)
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

/** Returns C of each layer as a separate tensor (handles of one tensor for a shared input); disposes the moments. */
export const covariancesOf = (moments: ReadonlyMap<string, Moments>): ReadonlyMap<string, Tensor2D> => {
  const byInput = new Map<Moments, Tensor2D>()
  const covariances = new Map(
    [...moments].map(([name, momentsOfLayer]) => {
      const one = byInput.get(momentsOfLayer) ?? tf.div<Tensor2D>(momentsOfLayer.scatter, momentsOfLayer.tokens)
      byInput.set(momentsOfLayer, one)
      return [name, one.clone()] as const
    })
  )
  tf.dispose([...byInput.values()])
  releaseMoments(moments.values())
  return covariances
}

export const releaseMoments = (moments: Iterable<Moments>): void =>
  tf.dispose([...new Set(moments)].flatMap(({ mean, scatter }) => [mean, scatter]))
