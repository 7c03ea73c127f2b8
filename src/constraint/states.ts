/**
 * States of an automaton as sets of stacks: a node, and the nodes at which callers continue. Stacks and states exist once each, so that
 * each step from a state is computed once and what is known of a state is known of every text that leads to it.
 */
import { edgesOf, type Node, type Rule } from "./automaton.ts"

/** A node above where its callers continue; the root has no node. */
export interface Frame {
  readonly id: number
  readonly node: Node | null
  readonly below: Frame | null
  readonly above: Map<Node, Frame>
}

export interface State {
  /** stacks whose node reads something, by their ids */
  readonly stacks: ReadonlyArray<Frame>
  /** the rule at the root may end here */
  readonly ends: boolean
  /** states after each byte, as far as they have been computed */
  next: Array<State | null | undefined> | null
}

export interface States {
  /** The state in which a text begins. */
  readonly start: State
  /** The state after a byte; null: it may not come. */
  readonly step: (state: State, byte: number) => State | null
  /** The state at a node above a frame. */
  readonly at: (heads: ReadonlyArray<Head>) => State | null
  /** The state at a node whose callers are not known: `ends` where its rule is left. */
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
      const own = frame(from, below)
      if (seen.has(own)) continue
      seen.add(own)
      const { accepts, edges, jumps, call } = from
      if (accepts && below.node === null) ends = true
      else if (accepts) waiting.push([below.node!, below.below!])
      for (const target of jumps) waiting.push([target, below])
      // a call at the end of a rule returns to where the rule returns to
      if (call !== null) waiting.push([call.rule.start, isEnd(call.then) ? below : frame(call.then, below)])
      if (typeof edges === "function" || edges.length > 0) stacks.push(own)
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
