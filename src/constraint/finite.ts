/** Finite automata over characters: explored from a start, without states that lead to no end. */
import type { Ranges } from "./ranges.ts"

export interface Finite {
  readonly accepts: boolean
  readonly arcs: ReadonlyArray<{ readonly ranges: Ranges; readonly to: Finite }>
}

/** Transitions of a state: whether it may end, and the states after each set of characters. */
export interface Reads<State> {
  readonly accepts: boolean
  readonly arcs: ReadonlyArray<readonly [ranges: Ranges, to: State]>
}

/** States of an automaton, at most: at 200 bytes each, a few megabytes. */
const MOST_STATES = 2 ** 13

interface NumberedState<State> {
  readonly state: State
  readonly finite: { accepts: boolean; arcs: Finite["arcs"] }
  /** keys of the states after each set of characters */
  arcs: ReadonlyArray<readonly [ranges: Ranges, to: string]>
  /** states that lead here */
  readonly before: Array<string>
}

/** Returns the automaton with all states that lead to an end; "empty": there is no end; "large": there are too many states. */
export const explore = <State>(
  start: State,
  keyOf: (state: State) => string,
  read: (state: State) => Reads<State>
): Finite | "empty" | "large" => {
  const numbered = new Map<string, NumberedState<State>>()
  const first = keyOf(start)
  const add = (key: string, state: State): NumberedState<State> => {
    const made: NumberedState<State> = { state, finite: { accepts: false, arcs: [] }, arcs: [], before: [] }
    numbered.set(key, made)
    return made
  }
  add(first, start)
  // a map's iterator comes to what is added on its way
  for (const [key, entry] of numbered) {
    if (numbered.size > MOST_STATES) return "large"
    const { accepts, arcs } = read(entry.state)
    entry.finite.accepts = accepts
    entry.arcs = arcs.map(([ranges, to]) => {
      const target = keyOf(to)
      const { before } = numbered.get(target) ?? add(target, to)
      before.push(key)
      return [ranges, target]
    })
  }
  const alive = new Set<string>()
  const waiting = [...numbered].flatMap(([key, { finite }]) => (finite.accepts ? [key] : []))
  for (let key = waiting.pop(); key !== undefined; key = waiting.pop()) {
    if (alive.has(key)) continue
    alive.add(key)
    waiting.push(...numbered.get(key)!.before)
  }
  for (const { finite, arcs } of numbered.values()) {
    finite.arcs = arcs.flatMap(([ranges, to]) => (alive.has(to) ? [{ ranges, to: numbered.get(to)!.finite }] : []))
  }
  return alive.has(first) ? numbered.get(first)!.finite : "empty"
}
