/**
 * JSON strings as rules over bytes.
 *
 * A string without constraints may use every escape of JSON. One with a pattern, a length or excluded values has one spelling
 * per character, that of `JSON.stringify`, so that the automaton counts and compares what a reader of the JSON gets. A length
 * must hold in characters, as JSON Schema counts, and in UTF-16 units, as JavaScript does: at least `min` characters, at most `max` units,
 * and at most a few thousand if there is a maximum, since each length needs its own states.
 */
import { type Edge, type Node, node, type Rule, text, words } from "./automaton.ts"
import { explore, type Finite } from "./finite.ts"
import { type PatternMachine, type PatternState, patternMachine } from "./pattern.ts"
import { classesOf, type Ranges, type Sequence, utf8Sequences } from "./ranges.ts"

/** Constraints on a string. */
export interface StringLimits {
  /** patterns, each of which must match somewhere in the string */
  readonly patterns: ReadonlyArray<string>
  readonly min: number
  readonly max: number
  /** excluded strings */
  readonly not: ReadonlyArray<string>
}

export const anyString: StringLimits = { patterns: [], min: 0, max: Number.POSITIVE_INFINITY, not: [] }

const single = (from: number, to: number, target: Node): Edge => ({ from, to, target })

/** Edges that read sequences of bytes; sequences with equal ends share the nodes of these. */
const sequenceEdges = (
  sequences: ReadonlyArray<Sequence>,
  target: Node,
  shared: Map<string, Node>
): ReadonlyArray<Edge> => {
  const after = (rest: Sequence): Node => {
    if (rest.length === 0) return target
    const key = rest.join()
    const known = shared.get(key)
    if (known !== undefined) return known
    const made = node({ edges: [single(rest[0]!, rest[1]!, after(rest.slice(2)))] })
    shared.set(key, made)
    return made
  }
  return sequences.map((sequence) => single(sequence[0]!, sequence[1]!, after(sequence.slice(2))))
}

const beyondAscii = [...utf8Sequences(0x80, 0xd7ff), ...utf8Sequences(0xe000, 0x10ffff)]
const hexDigit = (next: Node): Node =>
  node({ edges: [single(0x30, 0x39, next), single(0x41, 0x46, next), single(0x61, 0x66, next)] })
const letters = (all: string, next: Node): Node =>
  node({ edges: [...all].map((letter) => single(letter.charCodeAt(0), letter.charCodeAt(0), next)) })

/** `"` and a string of anything, in every spelling. */
const freeString = (): Rule => {
  const content = node()
  const two = hexDigit(hexDigit(content))
  const low = text("\\u", letters("dD", letters("cdefCDEF", two)))
  const surrogate = node({ edges: [single(0x30, 0x37, two), ...edges(letters("89abAB", hexDigit(hexDigit(low))))] })
  const hex = node({
    edges: [...edges(letters("0123456789abcefABCEF", hexDigit(two))), ...edges(letters("dD", surrogate))]
  })
  const afterBackslash = node({ edges: [...edges(letters('"\\/bfnrt', content)), single(0x75, 0x75, hex)] })
  content.edges = [
    single(0x20, 0x21, content),
    single(0x23, 0x5b, content),
    single(0x5d, 0x7f, content),
    single(0x22, 0x22, node({ accepts: true })),
    single(0x5c, 0x5c, afterBackslash),
    ...sequenceEdges(beyondAscii, content, new Map())
  ]
  return { start: text('"', content), path: "" }
}

const edges = (from: Node) => from.edges as ReadonlyArray<Edge>

/** What stands for a character between the quotes, where it is not itself, without the backslash. */
const escaped = (character: number): string | null => {
  const literal = JSON.stringify(String.fromCodePoint(character)).slice(1, -1)
  return literal.startsWith("\\") ? literal.slice(1) : null
}

/** Edges that read a character of a set as `JSON.stringify` writes it. */
const characterEdges = (ranges: Ranges, target: Node, shared: Map<string, Node>): ReadonlyArray<Edge> => {
  const plain: Array<Sequence> = []
  const escapes: Array<string> = []
  for (let i = 0; i < ranges.length; i += 2) {
    const [from, to] = [ranges[i]!, ranges[i + 1]!]
    let start = from
    for (let character = from; character <= Math.min(to, 0x5c); character++) {
      const literal = escaped(character)
      if (literal === null) continue
      escapes.push(literal)
      if (start < character) plain.push([start, character - 1])
      start = character + 1
    }
    if (start <= to) plain.push(...utf8Sequences(start, to))
  }
  const all = sequenceEdges(plain, target, shared)
  return escapes.length === 0 ? all : [...all, single(0x5c, 0x5c, words(escapes, target))]
}

/** Characters between quotes. */
const contentRule = (start: Finite): Rule => {
  const end = node({ accepts: true })
  const nodes = new Map<Finite, { readonly node: Node; readonly shared: Map<string, Node> }>()
  const of = (state: Finite) => {
    const known = nodes.get(state)
    if (known !== undefined) return known
    const content = node({
      edges: () => [
        ...state.arcs.flatMap(({ ranges, to }) => characterEdges(ranges, of(to).node, of(to).shared)),
        ...(state.accepts ? [single(0x22, 0x22, end)] : [])
      ]
    })
    const made = { node: content, shared: new Map<string, Node>() }
    nodes.set(state, made)
    return made
  }
  return { start: text('"', of(start).node), path: "" }
}

interface StringState {
  readonly patterns: ReadonlyArray<PatternState>
  /** characters so far, `min` at most */
  readonly characters: number
  /** UTF-16 units so far; 0 where there is no maximum */
  readonly units: number
  /** the beginning that it has in common with excluded strings; null: none */
  readonly begins: string | null
}

/** UTF-16 units of a string with a maximum that is larger. */
const LONGEST = 4_096

/** Returns the rule, or the end of a sentence that begins with "a string". */
export const stringRule = (limits: StringLimits): Rule | { readonly broken: string } | "empty" => {
  const { patterns, min, not } = limits
  const bounded = limits.max !== Number.POSITIVE_INFINITY
  const max = bounded && patterns.length === 0 ? Math.min(limits.max, Math.max(min, LONGEST)) : limits.max
  if (patterns.length === 0 && min === 0 && !bounded && not.length === 0) return freeString()
  const machines: Array<PatternMachine> = []
  for (const pattern of patterns) {
    const made = patternMachine(pattern)
    if ("broken" in made) return { broken: `pattern ${JSON.stringify(pattern)} ${made.broken}` }
    machines.push(made)
  }
  const named = [...new Set(not.join(""))].map(
    (character): Ranges => [character.codePointAt(0)!, character.codePointAt(0)!]
  )
  const classes = classesOf([...machines.flatMap(({ sets }) => sets), ...named, [0x10000, 0x10ffff]])
  const step = (state: StringState, character: number): StringState | null => {
    const characters = Math.min(min, state.characters + 1)
    const units = bounded ? state.units + (character > 0xffff ? 2 : 1) : 0
    if (bounded && max - units < min - characters) return null
    const next: Array<PatternState> = []
    for (const [i, each] of machines.entries()) {
      const after = each.step(state.patterns[i]!, character)
      if (after === null) return null
      next.push(after)
    }
    const begins = state.begins === null ? null : state.begins + String.fromCodePoint(character)
    return {
      patterns: next,
      characters,
      units,
      begins: begins !== null && not.some((one) => one.startsWith(begins)) ? begins : null
    }
  }
  const keyOf = ({ patterns, characters, units, begins }: StringState) =>
    `${characters} ${units} ${patterns.map(({ key }) => key).join("|")} ${JSON.stringify(begins)}`
  const start: StringState = {
    patterns: machines.map((each) => each.start),
    characters: 0,
    units: 0,
    begins: not.length > 0 ? "" : null
  }
  if (bounded && limits.max < min) return "empty"
  const finite = explore(start, keyOf, (state) => {
    const targets = new Map<string, { readonly ranges: Array<number>; readonly to: StringState }>()
    for (const { ranges, sample } of classes) {
      const to = step(state, sample)
      if (to === null) continue
      const key = keyOf(to)
      const known = targets.get(key)
      if (known === undefined) targets.set(key, { ranges: [...ranges], to })
      else known.ranges.push(...ranges)
    }
    const accepts =
      state.characters >= min &&
      state.patterns.every((each) => each.accepts) &&
      !(state.begins !== null && not.includes(state.begins))
    return { accepts, arcs: [...targets.values()].map(({ ranges, to }) => [ranges, to] as const) }
  })
  if (finite === "empty") return "empty"
  if (finite === "large") return { broken: "its pattern and length together have too many states" }
  return contentRule(finite)
}
