/**
 * Different transforms for different parts of a tree; each sees its own part alone.
 *
 * `body`: the pairs and the dense tensors of role "body". `head`: the dense tensors of role "head". Where pairs need a transform
 * that dense tensors cannot have, `dense` takes the latter from `body`.
 */
import * as Effect from "effect/Effect"
import type { DenseParameter, Trainable } from "../tensors/index.ts"
import type { State, Transform } from "./transform.ts"

export interface PartitionOptions {
  readonly body: Transform
  readonly head: Transform
  /** for the dense tensors of role "body"; absent: they go with `body` */
  readonly dense?: Transform
}

type Part = "body" | "dense" | "head"

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
    init: (params) => parts.map(([part, transform]) => transform.init(select(params, part))),
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
      parts.flatMap(([part, transform], i) => transform.health?.(state[i]!, select(params, part)) ?? [])
  }
}
