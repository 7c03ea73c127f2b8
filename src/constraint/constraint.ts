/**
 * Constrained decoding: the tokens that may come next, by a grammar and a vocabulary.
 *
 * Masks are computed as in XGrammar (Dong et al., arXiv 2411.15100): once per node over the whole vocabulary, the tokens that its
 * rule can read, and the positions in tokens at which the rule ends; only what follows these positions depends on the callers, and few tokens
 * have one. Walks use a trie, as in llguidance, with the transitions of states as a table.
 */
import type { CausalTokenizer } from "../tensors/index.ts"
import type { Node } from "./automaton.ts"
import { edgesOf } from "./automaton.ts"
import { type Compiled, compileGrammar } from "./compile.ts"
import type { Grammar } from "./grammar.ts"
import { type Frame, type State, type States, statesOf } from "./states.ts"
import { type Vocabulary, vocabularyOf } from "./vocabulary.ts"

/** Position of a text in its grammar. Equal states are the same object while they are cached. */
export type ConstraintState = State

/** The continuation that a constraint forces. */
export interface Forced {
  /** the only continuation, "" if there are several; whole characters */
  readonly text: string
  /** its tokens in the tokenizer's own segmentation, without trailing ones that a longer token might replace */
  readonly tokens: ReadonlyArray<number>
}

/** A grammar over the tokens of a tokenizer. */
export interface Constraint {
  /** state before the first token */
  readonly start: ConstraintState
  /** Returns a bit for each token that may come next: token i is bit i & 31 of element i >> 5. Do not modify. */
  readonly mask: (state: ConstraintState) => Uint32Array
  /** Returns the state after a token; null if the token is not allowed. */
  readonly advance: (state: ConstraintState, token: number) => ConstraintState | null
  /** Returns whether the text may be complete here, so that a token may end it. */
  readonly mayEnd: (state: ConstraintState) => boolean
  /** Returns whether the text is complete and nothing can follow. */
  readonly mustEnd: (state: ConstraintState) => boolean
  /** Returns the forced continuation. */
  readonly forced: (state: ConstraintState) => Forced
}

/** Returns whether a token's bit is set. */
export const isAllowed = (mask: Uint32Array, token: number): boolean => ((mask[token >> 5]! >>> (token & 31)) & 1) === 1

const allow = (mask: Uint32Array, token: number): void => {
  mask[token >> 5]! |= 1 << (token & 31)
}

/** Masks that are remembered, at most, for each of nodes, stacks and states: 6 kB each for 49,152 tokens. */
const MOST_MASKS = 1_000
/** Bytes that are written without a choice at a time. */
const MOST_FORCED = 4_096

/** A map that forgets everything when it is full. */
const remembered = <Key, Value>(make: (key: Key) => Value): ((key: Key) => Value) => {
  const known = new Map<Key, Value>()
  return (key) => {
    const constraint = known.get(key)
    if (constraint !== undefined) return constraint
    if (known.size >= MOST_MASKS) known.clear()
    const made = make(key)
    known.set(key, made)
    return made
  }
}

/** Visits the places below a place of the trie to which a state leads, until `visit` returns true. */
const walk = (
  { byte, depth, end }: Vocabulary,
  { step }: States,
  from: State,
  root: number,
  visit: (place: number, state: State) => boolean | undefined
): void => {
  const states: Array<State> = [from]
  const base = depth[root]!
  for (let place = root + 1; place < end[root]!; ) {
    const level = depth[place]! - base
    const state = step(states[level - 1]!, byte[place]!)
    if (state === null) place = end[place]!
    else {
      if (visit(place, state) === true) return
      states[level] = state
      place++
    }
  }
}

/** The place in the trie that bytes lead to; −1: no token begins so. */
const placeOf = ({ byte, end }: Vocabulary, bytes: Uint8Array): number => {
  let place = 0
  for (const one of bytes) {
    let below = place + 1
    while (below < end[place]! && byte[below] !== one) below = end[below]!
    if (below >= end[place]!) return -1
    place = below
  }
  return place
}

/** Creates a constraint from a compiled grammar. */
export const constrain = ({ rule }: Compiled, tokenizer: CausalTokenizer): Constraint => {
  const vocabulary = vocabularyOf(tokenizer)
  const states = statesOf(rule)
  const { first, tokens, end } = vocabulary
  const words = Math.ceil(vocabulary.size / 32)
  const take = (mask: Uint32Array, place: number) => {
    for (let i = first[place]!; i < first[place + 1]!; i++) allow(mask, tokens[i]!)
  }

  /** Tokens that begin at a node, as far as its rule reads them, and the places in tokens at which the rule is left. */
  const ofNode = remembered((from: Node) => {
    const mask = new Uint32Array(words)
    const exits: Array<number> = []
    walk(vocabulary, states, states.alone(from), 0, (place, state) => {
      take(mask, place)
      if (state.ends && end[place]! > place + 1) exits.push(place)
      return undefined
    })
    return { mask, exits }
  })
  const ofStack = remembered(({ node: from, below }: Frame): Uint32Array => {
    const { mask, exits } = ofNode(from!)
    if (exits.length === 0 || below!.node === null) return mask
    const whole = mask.slice()
    const after = states.at([[below!.node, below!.below!]])!
    for (const exit of exits) {
      walk(vocabulary, states, after, exit, (place) => {
        take(whole, place)
        return undefined
      })
    }
    return whole
  })
  /** Special tokens that write what a stack spells out. */
  const spelledBy = ({ node: from }: Frame) => {
    if (from!.spelled === null) return []
    const { bytes, at, nodes } = from!.spelled
    return vocabulary.special.flatMap(({ token, bytes: tokenBytes }) =>
      tokenBytes.length <= bytes.length - at && tokenBytes.every((byte, i) => byte === bytes[at + i])
        ? [{ token, target: nodes[at + tokenBytes.length]! }]
        : []
    )
  }
  const mask = remembered(({ stacks }: State): Uint32Array => {
    const all = new Uint32Array(words)
    for (const stack of stacks) {
      const allowed = ofStack(stack)
      for (let i = 0; i < words; i++) all[i]! |= allowed[i]!
      for (const { token } of spelledBy(stack)) allow(all, token)
    }
    return all
  })
  const advance = (state: State, token: number): State | null => {
    const bytes = vocabulary.bytesOf(token)
    if (bytes === null) {
      const heads = state.stacks.flatMap((stack) =>
        spelledBy(stack).flatMap((spelling) =>
          spelling.token === token ? [[spelling.target, stack.below!] as const] : []
        )
      )
      return heads.length === 0 ? null : states.at(heads)
    }
    if (bytes.length === 0) return null
    let at: State | null = state
    for (const byte of bytes) {
      at = states.step(at, byte)
      if (at === null) return null
    }
    return at
  }

  /** The tokenizer's own tokens of a text that must come; [] where they do not write exactly this. */
  const advanced = (text: string, from: State, to: State): ReadonlyArray<number> => {
    const anchor = tokenizer.encode("\n")
    const after = tokenizer.encode(`\n${text}`)
    // many tokenizers put a space before a text, so a second way is to encode it after something
    for (const ids of [
      tokenizer.encode(text),
      anchor.every((id, i) => id === after[i]) ? after.slice(anchor.length) : []
    ]) {
      if (ids.length > 0 && ids.reduce<State | null>((at, id) => (at === null ? null : advance(at, id)), from) === to) {
        return ids
      }
    }
    return []
  }
  /** Whether a token could begin with these bytes and continue as a state allows. */
  const mayContinue = (bytes: Uint8Array, state: State): boolean => {
    const place = placeOf(vocabulary, bytes)
    if (place < 0) return false
    let isReachable = false
    walk(vocabulary, states, state, place, (below) => {
      isReachable ||= first[below + 1]! > first[below]!
      return isReachable
    })
    return isReachable
  }
  const forced = remembered((state: State): Forced => {
    const bytes: Array<number> = []
    let [at, whole] = [state, 0]
    let after = state
    // within a character its other bytes are no text
    const inside = onlyByte(at) >= 0x80 && onlyByte(at) < 0xc0
    for (let byte = inside ? -1 : onlyByte(at); byte >= 0 && bytes.length < MOST_FORCED; byte = onlyByte(at)) {
      bytes.push(byte)
      at = states.step(at, byte)!
      if (isWhole(bytes)) {
        whole = bytes.length
        after = at
      }
    }
    const text = new TextDecoder().decode(Uint8Array.from(bytes.slice(0, whole)))
    if (text === "") return { text, tokens: [] }
    const ids = advanced(text, state, after)
    let [settledCount, open] = [ids.length, new Uint8Array()]
    for (let i = ids.length - 1; i >= 0 && open.length < vocabulary.deepest; i--) {
      const bytes = vocabulary.bytesOf(ids[i]!)
      if (bytes === null) break
      open = Uint8Array.from([...bytes, ...open])
      if (mayContinue(open, after)) settledCount = i
    }
    return { text, tokens: ids.slice(0, settledCount) }
  })
  return {
    start: states.start,
    mask,
    advance,
    mayEnd: ({ ends }) => ends,
    mustEnd: ({ ends, stacks }) => ends && stacks.length === 0,
    forced
  }
}

/** The one byte that may come; −1: there are several, or the text may end. */
const onlyByte = ({ stacks, ends }: State): number => {
  if (ends) return -1
  let only = -1
  for (const { node: from } of stacks) {
    for (const { from: low, to: high } of edgesOf(from!)) {
      if (low !== high || (only >= 0 && only !== low)) return -1
      only = low
    }
  }
  return only
}

/** Whether bytes end with a whole character. */
const isWhole = (bytes: ReadonlyArray<number>): boolean => {
  let start = bytes.length - 1
  while (start > 0 && (bytes[start]! & 0xc0) === 0x80) start--
  const lead = bytes[start]!
  return bytes.length - start === (lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4)
}

/**
 * Compiles a grammar for a tokenizer, or returns everything that is wrong with it.
 *
 * @example
 * import { constraintOf } from "tfjs-lora-pro/generation"
 * import type { Causal } from "tfjs-lora-pro/models"
 *
 * const numbers = (model: Causal.CausalModel) =>
 *   constraintOf({ kind: "json", schema: { type: "array", items: { type: "integer" } } }, model.tokenizer)
 */
export const constraintOf = (
  grammar: Grammar,
  tokenizer: CausalTokenizer
):
  | Constraint
  | {
      /** problems of the grammar, a sentence each; at least one */
      readonly broken: ReadonlyArray<string>
    } => {
  const compiled = compileGrammar(grammar)
  return "broken" in compiled ? compiled : constrain(compiled, tokenizer)
}
