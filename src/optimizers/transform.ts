/**
 * An optimizer is a value: `init` makes its state, `update` maps gradients to updates (optax, Bradbury et al.). `chain` composes
 * transforms, and `partition` gives each part of a tree a transform of its own.
 *
 * Updates are *added* to the parameters; `scaleByLearningRate` carries the minus sign. `update` is pure synchronous tensor code,
 * runs inside the caller's `tf.tidy`, and never reads the device. What needs a read (Gram matrices, for LoRA-Pro) happens in
 * `refresh`, which the training step runs before each update, with the parameters that update will see.
 *
 * State is a tree of plain objects, arrays, numbers and tensors, so a checkpoint can save any of them without knowing them.
 */
import type { Tensor, Tensor1D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import type { RankError } from "../ranks/index.ts"
import type { DenseParameter, DeviceReadError, Trainable } from "../tensors/index.ts"

/** What a transform keeps between steps: a tree of numbers and tensors, which checkpoints store unchanged. */
export type State = number | null | Tensor | Elsewhere | ReadonlyArray<State> | { readonly [key: string]: State }

/** A state whose type is an interface, which has no index signature: each of its fields is a `State`, or such an object again. */
export type StateLike<S> = {
  readonly [Key in keyof S]: S[Key] extends State ? S[Key] : S[Key] extends NotStored ? never : StateLike<S[Key]>
}

type NotStored = string | boolean | bigint | symbol | undefined | ((...input: never) => unknown)

/** Stands for a tensor that another rank holds. */
export class Elsewhere {
  /** of the process that holds it, from 0 */
  readonly rank: number
  /** of the tensor */
  readonly shape: ReadonlyArray<number>
  constructor(rank: number, shape: ReadonlyArray<number>) {
    this.rank = rank
    this.shape = shape
  }
  /** numbers in it */
  get size(): number {
    return this.shape.reduce((size, n) => size * n, 1)
  }
}

/** The shape of a tensor, in its place in a layout. */
export class OfShape {
  /** of the tensor */
  readonly shape: ReadonlyArray<number>
  constructor(shape: ReadonlyArray<number>) {
    this.shape = shape
  }
}

/** A state with shapes instead of its tensors. */
export type StateLayout = number | null | OfShape | ReadonlyArray<StateLayout> | { readonly [key: string]: StateLayout }

/** The tree of a state with shapes instead of tensors. */
export const layoutOf = (state: State): StateLayout => {
  if (state === null || typeof state === "number") return state
  if (state instanceof tf.Tensor || state instanceof Elsewhere) return new OfShape(state.shape)
  if (Array.isArray(state)) return state.map(layoutOf)
  return Object.fromEntries(Object.entries(state).map(([key, value]) => [key, layoutOf(value)]))
}

/** A step of an optimizer as a value: `init` makes its state, `update` turns updates into others. `chain` composes them. */
// biome-ignore lint/suspicious/noExplicitAny: a transform of any state, as chains and sessions hold them
export interface Transform<S extends State | StateLike<S> = any> {
  // Methods, not function-valued properties: their parameters are bivariant, so a Transform<OwnState> is a Transform.

  /** State for these parameters. Tensors in it belong to the caller. */
  init(params: Trainable): S
  /** What keeps it from a step with these parameters on the device in use; undefined: nothing. A session asks it before `init`. */
  obstacle?(params: Trainable): string | undefined
  /** The layout of the state after `step` steps, from that of `init`: what a checkpoint has to fit. Absent: it does not change. */
  layout?(initial: StateLayout, params: Trainable, step: number): StateLayout
  /** gradients (or the updates of the transform before) → updates, and the state after this step */
  update(
    updates: Trainable,
    state: S,
    params: Trainable
  ): {
    /** of the same structure as those given */
    readonly updates: Trainable
    /** for the next step */
    readonly state: S
  }
  /**
   * The directions that raw gradients become before moments and learning rate: what the equivalent gradient
   * s(B·dA + dB·A) is measured on. `state` is one after `refresh`, as for `update`. Absent: the gradients themselves.
   */
  direction?(updates: Trainable, state: S, params: Trainable): Trainable
  /** Reads what `update` needs of the current parameters. May wait for the device. Tensors new in the result belong to the caller. Absent: it needs nothing. */
  refresh?(state: S, params: Trainable): Effect.Effect<S, DeviceReadError | RankError>
  /** The learning rate that the next update will use, where this transform sets one. */
  learningRate?(state: S): number | undefined
  /** What a step report shows of the last refresh; left on the device, to be read with the rest of a step's numbers. Absent: nothing. */
  health?(state: S, params: Trainable): ReadonlyArray<Conditioning>
  /** Where the ranks of a run hold a part of the state each and make a part of the updates. Absent: all hold and make everything. */
  readonly shared?: Shared<S>
}

/** How ranks share a transform's work and its state. Every rank calls these together. */
// biome-ignore lint/suspicious/noExplicitAny: as of `Transform`
export interface Shared<S extends State | StateLike<S> = any> {
  /** All updates, of what `update` made of this rank's part, the others being no updates yet. Takes the updates over. */
  complete(updates: Trainable): Effect.Effect<Trainable, DeviceReadError | RankError>
  /** Of a whole state what this rank holds, `Elsewhere` instead of the rest, which is disposed. */
  keep(state: S, params: Trainable): S
  /** The tensors that this rank alone holds, in the order of the state's tree. */
  held(state: S): ReadonlyArray<Tensor>
}

/** LoRA-Pro's own health: λ_min(BᵀB)/δ of each site. Below 1 the damping, not B, decides the smallest direction; infinite at δ = 0. */
export interface Conditioning {
  /** the names of the sites, in the order of `smallest` */
  readonly sites: ReadonlyArray<string>
  /** λ_min(BᵀB) of each; the state's */
  readonly smallest: Tensor1D
  /** δ */
  readonly damping: number
}

/** The layout of a transform's state after `step` steps. */
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
 * Runs transforms one after the other; the chain's state is the list of theirs. After one whose work ranks share, each may look at one
 * parameter at a time alone.
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

/** Which transform moves the body, the head, and dense tensors of the body. */
export interface PartitionOptions {
  /** for pairs of factors, and for dense tensors of the body */
  readonly body: Transform
  /** for the head and modules that are trained themselves */
  readonly head: Transform
  /** for the dense tensors of role "body"; absent: they go with `body` */
  readonly dense?: Transform
}

type Part = "body" | "dense" | "head"

/**
 * Different transforms for different parts of a tree; each sees its own part alone.
 *
 * `body`: the pairs and the dense tensors of role "body". `head`: the dense tensors of role "head". Where pairs need a transform
 * that dense tensors cannot have, `dense` takes the latter from `body`.
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
          const own = select(updates, part)
          return transform.direction?.(own, state[i]!, select(params, part)) ?? own
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
            const own = select(updates, part)
            return shared === undefined ? Effect.succeed(own) : shared.complete(own)
          }),
          (made) => join(updates, made)
        ),
      (params, i) => select(params, parts[i]![0])
    )
  }
}
