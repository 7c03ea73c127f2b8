/**
 * Optimizers as values: `init` creates the state, `update` maps gradients to updates (optax, Bradbury et al.). `chain` composes
 * transforms, and `partition` applies a different transform to each part of a tree.
 *
 * Updates are *added* to the parameters; `scaleByLearningRate` carries the minus sign. `update` is pure synchronous tensor code,
 * runs inside the caller's `tf.tidy`, and never reads the device. Reads (Gram matrices, for LoRA-Pro) happen in
 * `refresh`, which the training step runs before each update, with the same parameters.
 *
 * State is a tree of plain objects, arrays, numbers and tensors, so checkpoints can save any state without knowing its type.
 */
import type { Tensor, Tensor1D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import type { RankError } from "../ranks/index.ts"
import type { DenseParameter, DeviceReadError, Trainable } from "../tensors/index.ts"

/** Optimizer state between steps: a tree of numbers and tensors, which checkpoints store unchanged. */
export type State = number | null | Tensor | Elsewhere | ReadonlyArray<State> | { readonly [key: string]: State }

/** A state typed as an interface, which has no index signature: each of its fields is a `State`, or again such an object. */
export type StateLike<S> = {
  readonly [Key in keyof S]: S[Key] extends State ? S[Key] : S[Key] extends NotStored ? never : StateLike<S[Key]>
}

type NotStored = string | boolean | bigint | symbol | undefined | ((...input: never) => unknown)

/** Placeholder for a tensor that another rank holds. */
export class Elsewhere {
  /** rank of the process that holds it, from 0 */
  readonly rank: number
  /** shape of the tensor */
  readonly shape: ReadonlyArray<number>
  constructor(rank: number, shape: ReadonlyArray<number>) {
    this.rank = rank
    this.shape = shape
  }
  /** number of values */
  get size(): number {
    return this.shape.reduce((size, n) => size * n, 1)
  }
}

/** Shape of a tensor in a layout. */
export class OfShape {
  /** shape of the tensor */
  readonly shape: ReadonlyArray<number>
  constructor(shape: ReadonlyArray<number>) {
    this.shape = shape
  }
}

/** A state with shapes instead of tensors. */
export type StateLayout = number | null | OfShape | ReadonlyArray<StateLayout> | { readonly [key: string]: StateLayout }

/** Returns the layout of a state. */
export const layoutOf = (state: State): StateLayout => {
  if (state === null || typeof state === "number") return state
  if (state instanceof tf.Tensor || state instanceof Elsewhere) return new OfShape(state.shape)
  if (Array.isArray(state)) return state.map(layoutOf)
  return Object.fromEntries(Object.entries(state).map(([key, value]) => [key, layoutOf(value)]))
}

/** A gradient transform: `init` creates its state, `update` maps updates to updates. `chain` composes transforms. */
// biome-ignore lint/suspicious/noExplicitAny: a transform of any state, as chains and sessions hold them
export interface Transform<S extends State | StateLike<S> = any> {
  // Methods, not function-valued properties: their parameters are bivariant, so a Transform<OwnState> is a Transform.

  /** Creates the state for these parameters. The caller owns its tensors. */
  init(params: Trainable): S
  /** Returns why these parameters cannot be stepped on the current device, or undefined. Sessions call it before `init`. */
  obstacle?(params: Trainable): string | undefined
  /** Returns the layout of the state after `step` steps from that of `init`; checkpoints must match it. Absent: the layout is constant. */
  layout?(initial: StateLayout, params: Trainable, step: number): StateLayout
  /** Maps gradients (or the previous transform's updates) to updates, and returns the state after this step. */
  update(
    updates: Trainable,
    state: S,
    params: Trainable
  ): {
    /** updates, with the structure of the input */
    readonly updates: Trainable
    /** state for the next step */
    readonly state: S
  }
  /**
   * Returns the directions of raw gradients before moments and learning rate, from which diagnostics compute the equivalent gradient
   * s(B·dA + dB·A). `state`: after `refresh`, as for `update`. Absent: the gradients themselves.
   */
  direction?(updates: Trainable, state: S, params: Trainable): Trainable
  /**
   * Reads the values of the current parameters that `update` needs. May wait for the device. The caller owns new tensors of the result. Absent:
   * no reads.
   */
  refresh?(state: S, params: Trainable): Effect.Effect<S, DeviceReadError | RankError>
  /** Returns the learning rate of the next update, if this transform sets one. */
  learningRate?(state: S): number | undefined
  /** Returns health values of the last refresh for the step report, on the device, to be read with the step's other numbers. Absent: none. */
  health?(state: S, params: Trainable): ReadonlyArray<Conditioning>
  /** Division of the state and the updates among the ranks of a run. Absent: every rank holds and computes everything. */
  readonly shared?: Shared<S>
}

/** Division of a transform's work and state among ranks. Every rank calls these functions together. */
// biome-ignore lint/suspicious/noExplicitAny: as of `Transform`
export interface Shared<S extends State | StateLike<S> = any> {
  /** Returns all updates, from this rank's part of `update`'s result. Takes ownership of the updates. */
  complete(updates: Trainable): Effect.Effect<Trainable, DeviceReadError | RankError>
  /** Returns this rank's part of a whole state, with `Elsewhere` instead of the rest, which is disposed. */
  keep(state: S, params: Trainable): S
  /** Returns the tensors that only this rank holds, in the order of the state's tree. */
  held(state: S): ReadonlyArray<Tensor>
}

/** Conditioning of LoRA-Pro's factors: λ_min(BᵀB)/δ of each layer. Below 1, damping dominates the smallest direction; infinite at δ = 0. */
export interface Conditioning {
  /** names of the layers, in the order of `smallest` */
  readonly sites: ReadonlyArray<string>
  /** λ_min(BᵀB) of each layer; owned by the state */
  readonly smallest: Tensor1D
  /** damping δ */
  readonly damping: number
}

/** Returns the layout of a transform's state after `step` steps. */
export const layoutAt = (transform: Transform, initial: StateLayout, params: Trainable, step: number): StateLayout =>
  transform.layout?.(initial, params, step) ?? initial

/** Of a list of transforms with a state each. `complete`: of each one that shares its work. */
const sharedOf = (
  transforms: ReadonlyArray<Transform>,
  complete: (updates: Trainable) => Effect.Effect<Trainable, DeviceReadError | RankError>,
  paramsOf: (params: Trainable, i: number) => Trainable = (params) => params
): { readonly shared?: Shared<ReadonlyArray<State>> } =>
  transforms.every(({ shared }) => shared === undefined)
    ? {}
    : {
        shared: {
          complete,
          keep: (state, params) =>
            transforms.map(({ shared }, i) => shared?.keep(state[i]!, paramsOf(params, i)) ?? state[i]!),
          held: (state) => transforms.flatMap(({ shared }, i) => shared?.held(state[i]!) ?? [])
        }
      }

/**
 * Composes transforms in sequence; the state is the list of their states. After a transform whose work ranks divide, each transform must treat
 * parameters independently.
 */
export const chain = (...transforms: ReadonlyArray<Transform>): Transform<ReadonlyArray<State>> => ({
  obstacle: (params) =>
    transforms.map((transform) => transform.obstacle?.(params)).find((obstacle) => obstacle !== undefined),
  init: (params) => transforms.map((transform) => transform.init(params)),
  layout: (initial: ReadonlyArray<StateLayout>, params, step) =>
    transforms.map((transform, i) => layoutAt(transform, initial[i]!, params, step)),
  update: (updates, state, params) => {
    const states: Array<State> = []
    let current = updates
    transforms.forEach((transform, i) => {
      const next = transform.update(current, state[i]!, params)
      current = next.updates
      states.push(next.state)
    })
    return { updates: current, state: states }
  },
  direction: (updates, state, params) =>
    transforms.reduce((current, transform, i) => transform.direction?.(current, state[i]!, params) ?? current, updates),
  refresh: (state, params) =>
    Effect.forEach(transforms, (transform, i) =>
      transform.refresh === undefined ? Effect.succeed(state[i]!) : transform.refresh(state[i]!, params)
    ),
  learningRate: (state) =>
    transforms.map((transform, i) => transform.learningRate?.(state[i]!)).find((rate) => rate !== undefined),
  health: (state, params) => transforms.flatMap((transform, i) => transform.health?.(state[i]!, params) ?? []),
  ...sharedOf(transforms, (updates) =>
    transforms.reduce(
      (made, { shared }) => (shared === undefined ? made : Effect.flatMap(made, shared.complete)),
      Effect.succeed(updates) as ReturnType<Shared["complete"]>
    )
  )
})

/** Options for `partition`: the transforms of the body, the head, and dense tensors of the body. */
export interface PartitionOptions {
  /** transform of factor pairs, and of dense tensors of the body */
  readonly body: Transform
  /** transform of the head and of modules trained in full */
  readonly head: Transform
  /** transform of the dense tensors of role "body"; default: `body` */
  readonly dense?: Transform
}

type Part = "body" | "dense" | "head"

/**
 * Applies different transforms to parts of a tree; each sees only its own part.
 *
 * `body`: the pairs and the dense tensors of role "body". `head`: the dense tensors of role "head". `dense`: the dense tensors of role "body",
 * if the transform of pairs does not support them.
 */
export const partition = (options: PartitionOptions): Transform<ReadonlyArray<State>> => {
  const parts: ReadonlyArray<readonly [Part, Transform]> = [
    ["body", options.body],
    ...(options.dense === undefined ? [] : [["dense", options.dense] as const]),
    ["head", options.head]
  ]
  const partOf = ({ role }: DenseParameter): Part => {
    if (role === "head") return "head"
    return options.dense === undefined ? "body" : "dense"
  }
  const select = (tree: Trainable, part: Part): Trainable => ({
    pairs: part === "body" ? tree.pairs : [],
    dense: tree.dense.filter((parameter) => partOf(parameter) === part)
  })
  /** The parts' dense tensors back in the order of `tree`. */
  const join = (tree: Trainable, selected: ReadonlyArray<Trainable>): Trainable => {
    const queues = new Map(parts.map(([part], i) => [part, selected[i]!.dense.values()]))
    return {
      pairs: selected[0]!.pairs,
      dense: tree.dense.map((parameter) => queues.get(partOf(parameter))!.next().value as DenseParameter)
    }
  }
  return {
    obstacle: (params) =>
      parts
        .map(([part, transform]) => transform.obstacle?.(select(params, part)))
        .find((obstacle) => obstacle !== undefined),
    init: (params) => parts.map(([part, transform]) => transform.init(select(params, part))),
    layout: (initial: ReadonlyArray<StateLayout>, params, step) =>
      parts.map(([part, transform], i) => layoutAt(transform, initial[i]!, select(params, part), step)),
    update: (updates, state, params) => {
      const next = parts.map(([part, transform], i) =>
        transform.update(select(updates, part), state[i]!, select(params, part))
      )
      const selected = next.map((one) => one.updates)
      return { updates: join(updates, selected), state: next.map((one) => one.state) }
    },
    direction: (updates, state, params) =>
      join(
        updates,
        parts.map(([part, transform], i) => {
          const partOfUpdates = select(updates, part)
          return transform.direction?.(partOfUpdates, state[i]!, select(params, part)) ?? partOfUpdates
        })
      ),
    refresh: (state, params) =>
      Effect.forEach(parts, ([part, transform], i) =>
        transform.refresh === undefined ? Effect.succeed(state[i]!) : transform.refresh(state[i]!, select(params, part))
      ),
    learningRate: (state) =>
      parts.map(([, transform], i) => transform.learningRate?.(state[i]!)).find((rate) => rate !== undefined),
    health: (state, params) =>
      parts.flatMap(([part, transform], i) => transform.health?.(state[i]!, select(params, part)) ?? []),
    ...sharedOf(
      parts.map(([, transform]) => transform),
      (updates) =>
        Effect.map(
          Effect.forEach(parts, ([part, { shared }]) => {
            const partOfUpdates = select(updates, part)
            return shared === undefined ? Effect.succeed(partOfUpdates) : shared.complete(partOfUpdates)
          }),
          (made) => join(updates, made)
        ),
      (params, i) => select(params, parts[i]![0])
    )
  }
}
