/**
 * A pattern as instructions for `Search`. Every instruction has a depth: the number of loops around it whose body can match nothing.
 * An iteration of such a loop must read something, or JavaScript gives it up; how many of the loops have read something in their present
 * iteration is the one thing besides place and instruction that decides how a search goes on, and so a part of what is remembered.
 */
import { limit, overLimit } from "../boundary/index.ts"
import { type Edge, type Node, type Parsed, type Repeat, UnboundedPattern } from "./parse.ts"

export const op = {
  match: 0,
  /** read one character of `set`, forward or backward */
  one: 1,
  oneBefore: 2,
  /** continues at `first` and, if that fails, at `second` */
  split: 3,
  /** a place that several ways lead to */
  join: 4,
  /** continues at `first` */
  jump: 5,
  /** remember a border of a capturing group, `slot` */
  save: 6,
  /** forget the borders from `first` up to, not including, `second`: those of an earlier iteration */
  clear: 7,
  /** an iteration of a loop whose body can match nothing begins, or ends */
  enter: 8,
  leave: 9,
  edge: 10,
  /** the body begins at the next instruction; if its result is as required, continues at `first` */
  look: 11
} as const

/** All have the same fields, which makes a search twice as fast. */
export interface Instruction {
  readonly op: (typeof op)[keyof typeof op]
  readonly set: CharacterSet
  readonly edge: Edge
  readonly depth: number
  readonly slot: number
  first: number
  second: number
  /** the first of its places among what is remembered, one for each number of loops; -1: no way leads to it twice at one place */
  readonly bit: number
  /** of a lookaround */
  readonly negative: boolean
  readonly captures: boolean
}

export interface Program {
  readonly instructions: ReadonlyArray<Instruction>
  /** bits to remember at each place of a text */
  readonly bits: number
  readonly groupCount: number
  readonly names: Parsed["names"]
}

/** The characters that a class or a character of a pattern means. The engine is asked about each character once. */
export class CharacterSet {
  readonly #expression: RegExp
  /** by the upper and the lower eight bits of a code point: 0 unknown, 1 outside, 2 within */
  readonly #pages: Array<Uint8Array | undefined> = []

  constructor(source: string) {
    this.#expression = new RegExp(`^${source}$`, "u")
  }

  has(character: number): boolean {
    const page = this.#pages[character >> 8] ?? new Uint8Array(256)
    this.#pages[character >> 8] = page
    const known = page[character & 255]!
    if (known !== 0) return known === 2
    const within = this.#expression.test(String.fromCodePoint(character))
    page[character & 255] = within ? 2 : 1
    return within
  }
}

export const wordCharacters = new CharacterSet("\\w")

const blank: Instruction = {
  op: op.match,
  set: wordCharacters,
  edge: "start",
  depth: 0,
  slot: 0,
  first: 0,
  second: 0,
  bit: -1,
  negative: false,
  captures: false
}

/** Throws an `UnboundedPattern` where the pattern is too large with its repetitions written out. */
export const compile = ({ root, groupCount, names }: Parsed): Program => {
  const instructions: Array<Instruction> = []
  const sets = new Map<string, CharacterSet>()
  let [bits, instructionCount] = [0, 0]
  const most = limit("pattern-characters")

  const add = (kind: keyof typeof op, fields: Partial<Instruction> = {}): Instruction => {
    const made = { ...blank, ...fields, op: op[kind] }
    instructions.push(made)
    return made
  }
  const here = () => instructions.length
  const newBit = (depth: number): number => {
    const bit = bits
    bits += depth + 1
    return bit
  }
  const split = (greedy: boolean, bit = -1) => {
    const made = add("split", { first: here() + 1, second: here() + 1, bit })
    /** where a search goes on that does not take what comes next */
    const otherwise = () => {
      if (greedy) made.second = here()
      else made.first = here()
    }
    return otherwise
  }
  const setOf = (source: string): CharacterSet => {
    const set = sets.get(source) ?? new CharacterSet(source)
    sets.set(source, set)
    return set
  }

  // No place of a text leads twice to where a node begins, if none leads twice to where it ends. So only what can be come to in several
  // ways is remembered: a loop, and the ends of choices and repetitions.
  const emit = (node: Node, depth: number, backward: boolean): void => {
    if (++instructionCount > most) {
      throw new UnboundedPattern(`has, with its repetitions written out, more than ${overLimit("pattern-characters")}`)
    }
    switch (node.kind) {
      case "one":
        add(backward ? "oneBefore" : "one", { set: setOf(node.source), depth })
        return
      case "edge":
        add("edge", { edge: node.edge })
        return
      case "sequence":
        for (const part of backward ? node.parts.toReversed() : node.parts) emit(part, depth, backward)
        return
      case "group":
        add("save", { slot: 2 * node.index + (backward ? 1 : 0) })
        emit(node.body, depth, backward)
        add("save", { slot: 2 * node.index + (backward ? 0 : 1) })
        return
      case "choice": {
        const ends: Array<Instruction> = []
        for (const [i, option] of node.options.entries()) {
          const last = i === node.options.length - 1
          const otherwise = last ? undefined : split(true)
          emit(option, depth, backward)
          if (!last) ends.push(add("jump"))
          otherwise?.()
        }
        for (const end of ends) end.first = here()
        add("join", { bit: newBit(depth) })
        return
      }
      case "look": {
        const { negative, captures, behind, body } = node
        const look = add("look", { negative, captures })
        // depths are those of the body alone: it is a search of its own
        add("join", { bit: newBit(0) })
        emit(body, 0, behind)
        add("match")
        look.first = here()
        return
      }
      case "repeat":
        repeat(node, depth, backward)
    }
  }

  const repeat = (node: Repeat, depth: number, backward: boolean): void => {
    const { body, min, max, greedy, groups } = node
    const iteration = (inner: number) => {
      if (groups[1] > groups[0]) add("clear", { first: 2 * groups[0], second: 2 * groups[1] })
      emit(body, inner, backward)
    }
    const empty = canBeEmpty(body)
    // an iteration beyond the least number must read something
    const further = () => {
      if (empty) add("enter", { depth })
      iteration(empty ? depth + 1 : depth)
      if (empty) add("leave", { depth })
    }
    for (let i = 0; i < min; i++) iteration(depth)
    if (max === Number.POSITIVE_INFINITY) {
      const start = here()
      const otherwise = split(greedy, newBit(depth))
      further()
      add("jump", { first: start })
      otherwise()
      return
    }
    const exits: Array<() => void> = []
    for (let i = min; i < max; i++) {
      exits.push(split(greedy))
      further()
    }
    for (const otherwise of exits) otherwise()
    if (exits.length > 0) add("join", { bit: newBit(depth) })
  }

  emit(root, 0, false)
  add("match")
  return { instructions, bits, groupCount, names }
}

const canBeEmpty = (node: Node): boolean => {
  switch (node.kind) {
    case "one":
      return false
    case "edge":
    case "look":
      return true
    case "sequence":
      return node.parts.every(canBeEmpty)
    case "choice":
      return node.options.some(canBeEmpty)
    case "group":
      return canBeEmpty(node.body)
    case "repeat":
      return node.min === 0 || canBeEmpty(node.body)
  }
}
