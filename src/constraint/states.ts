/**
 * States of an automaton as sets of stacks: a node, and the nodes at which callers continue. Stacks and states are unique, so
 * each transition from a state is computed once, and its results are shared by every text that leads to it.
 */
import { edgesOf, type Node, type Rule } from "./automaton.ts"

/** A node on top of the nodes at which its callers continue; the root has no node. */
export interface Frame {
  readonly id: number
  readonly node: Node | null
  readonly below: Frame | null
  readonly above: Map<Node, Frame>
}

export interface State {
  /** stacks whose node reads a byte, by their ids */
  readonly stacks: ReadonlyArray<Frame>
  /** whether the rule at the root may end here */
  readonly ends: boolean
  /** computed states after each byte */
  next: Array<State | null | undefined> | null
}

export interface States {
  /** state at the start of a text */
  readonly start: State
  /** Returns the state after a byte; null if the byte is not allowed. */
  readonly step: (state: State, byte: number) => State | null
  /** Returns the state at a node on top of a frame. */
  readonly at: (heads: ReadonlyArray<Head>) => State | null
  /** Returns the state at a node with unknown callers: `ends` if its rule may end. */
  readonly alone: (from: Node) => State
}

type Head = readonly [node: Node, below: Frame]

/** States that are remembered, at most: about 2 kB each. Those in use stay. */
const MOST_STATES = 5_000

export const statesOf = (rule: Rule): States => {
  let count = 0
  const made = (from: Node | null, below: Frame | null): Frame => ({ id: count++, node: from, below, above: new Map() })
  const frame = (from: Node, below: Frame): Frame => {
    const known = below.above.get(from)
    if (known !== undefined) return known
    const fresh = made(from, below)
    below.above.set(from, fresh)
    return fresh
  }
  const root = made(null, null)
  const unknown = made(null, null)
  const states = new Map<string, State>()

  const at = (heads: ReadonlyArray<Head>): State | null => {
    const waiting = [...heads]
    const seen = new Set<Frame>()
    const stacks: Array<Frame> = []
    let ends = false
    for (let head = waiting.pop(); head !== undefined; head = waiting.pop()) {
      const [from, below] = head
      const pushed = frame(from, below)
      if (seen.has(pushed)) continue
      seen.add(pushed)
      const { accepts, edges, jumps, call } = from
      if (accepts && below.node === null) ends = true
      else if (accepts) waiting.push([below.node!, below.below!])
      for (const target of jumps) waiting.push([target, below])
      // a call at the end of a rule returns to where the rule returns to
      if (call !== null) waiting.push([call.rule.start, isEnd(call.then) ? below : frame(call.then, below)])
      if (typeof edges === "function" || edges.length > 0) stacks.push(pushed)
    }
    if (stacks.length === 0 && !ends) return null
    stacks.sort((a, b) => a.id - b.id)
    const key = `${stacks.map(({ id }) => id).join()}${ends ? "." : ""}`
    const known = states.get(key)
    if (known !== undefined) return known
    if (states.size >= MOST_STATES) {
      states.clear()
      root.above.clear()
      unknown.above.clear()
    }
    const state: State = { stacks, ends, next: null }
    states.set(key, state)
    return state
  }
  return {
    start: at([[rule.start, root]])!,
    at,
    alone: (from) => at([[from, unknown]])!,
    step: (state, byte) => {
      state.next ??= new Array<State | null | undefined>(256)
      const known = state.next[byte]
      if (known !== undefined) return known
      const heads: Array<Head> = []
      for (const { node: from, below } of state.stacks) {
        for (const edge of edgesOf(from!)) if (byte >= edge.from && byte <= edge.to) heads.push([edge.target, below!])
      }
      const next = heads.length === 0 ? null : at(heads)
      state.next[byte] = next
      return next
    }
  }
}

const isEnd = ({ accepts, edges, jumps, call }: Node): boolean =>
  accepts && edges.length === 0 && jumps.length === 0 && call === null
