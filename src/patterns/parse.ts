/**
 * Reads the source of a regular expression with the flag `u` that the engine has accepted, so what is met here is well formed. What
 * matches one character (a class, an escape, a property) is not read but kept as text: the engine itself says which characters it means.
 */

/** A single character. */
export interface One {
  readonly kind: "one"
  /** source text, a pattern by itself */
  readonly source: string
}

export interface Repeat {
  readonly kind: "repeat"
  readonly body: Node
  readonly min: number
  readonly max: number
  readonly greedy: boolean
  /** numbers of the capturing groups inside, from the first up to but excluding the second */
  readonly groups: readonly [from: number, to: number]
}

export interface Look {
  readonly kind: "look"
  readonly body: Node
  readonly behind: boolean
  readonly negative: boolean
  /** whether it contains capturing groups */
  readonly captures: boolean
}

export type Edge = "start" | "end" | "word" | "no-word"

export type Node =
  | One
  | Repeat
  | Look
  | { readonly kind: "sequence"; readonly parts: ReadonlyArray<Node> }
  | { readonly kind: "choice"; readonly options: ReadonlyArray<Node> }
  | { readonly kind: "group"; readonly index: number; readonly body: Node }
  | { readonly kind: "edge"; readonly edge: Edge }

export interface Parsed {
  readonly root: Node
  /** number of groups, including number 0 (the whole match) */
  readonly groupCount: number
  readonly names: ReadonlyArray<readonly [name: string, index: number]>
}

/** Error of a valid pattern whose time is unbounded. */
export class UnboundedPattern extends Error {}

const quantifier = /(?:([*+?])|\{(\d+)(,?)(\d*)\})(\??)/uy
const opening = /\((?:\?(?:(:)|(<?)([=!])|<([^>]+)>))?/uy
const escaped = /\\(?:[pP]\{[^}]*\}|u\{[^}]*\}|u[dD][89abAB]..\\u[dD][c-fC-F]..|u....|x..|c.|.)/suy
const characterClass = /\[(?:[^\\\]]|\\.)*\]/suy

export const parse = (source: string): Parsed => {
  let at = 0
  let groupCount = 1
  const names: Array<readonly [string, number]> = []

  const take = (expression: RegExp): RegExpExecArray | null => {
    expression.lastIndex = at
    const token = expression.exec(source)
    if (token !== null) at += token[0].length
    return token
  }
  const takeIf = (text: string): boolean => {
    const there = source.startsWith(text, at)
    if (there) at += text.length
    return there
  }

  const choice = (): Node => {
    const options = [sequence()]
    while (takeIf("|")) options.push(sequence())
    return options.length === 1 ? options[0]! : { kind: "choice", options }
  }

  const sequence = (): Node => {
    const parts: Array<Node> = []
    while (at < source.length && source[at] !== "|" && source[at] !== ")") {
      const first = groupCount
      const body = part()
      const count = take(quantifier)
      parts.push(count === null ? body : repeated(body, count, [first, groupCount]))
    }
    return parts.length === 1 ? parts[0]! : { kind: "sequence", parts }
  }

  const part = (): Node => {
    if (source[at] === "(") return group()
    if (takeIf("^")) return { kind: "edge", edge: "start" }
    if (takeIf("$")) return { kind: "edge", edge: "end" }
    if (takeIf("\\b")) return { kind: "edge", edge: "word" }
    if (takeIf("\\B")) return { kind: "edge", edge: "no-word" }
    if (/^\\[1-9k]/.test(source.slice(at, at + 2))) {
      throw new UnboundedPattern(
        "refers back to a group, and the time of that has no bound; expected a pattern without"
      )
    }
    const atom = take(characterClass) ?? take(escaped)
    if (atom !== null) return { kind: "one", source: atom[0] }
    const character = String.fromCodePoint(source.codePointAt(at)!)
    at += character.length
    return { kind: "one", source: character }
  }

  const group = (): Node => {
    const [text = "", plain, behind, look, name] = take(opening)!
    const first = groupCount
    const index = plain === undefined && look === undefined ? groupCount++ : 0
    if (source[at] === "?" && text === "(") {
      throw new UnboundedPattern(`has a group of a kind that is unknown here, ${source.slice(at - 1, at + 10)}`)
    }
    if (name !== undefined) names.push([name, index])
    const body = choice()
    at++ // the closing bracket
    if (look !== undefined) {
      return { kind: "look", body, behind: behind === "<", negative: look === "!", captures: groupCount > first }
    }
    return index === 0 ? body : { kind: "group", index, body }
  }

  const root = choice()
  return { root, groupCount, names }
}

const repeated = (body: Node, count: RegExpExecArray, groups: Repeat["groups"]): Repeat => {
  const [, sign, from, comma, to, lazy] = count
  const min = sign === undefined ? Number(from) : sign === "+" ? 1 : 0
  const most = to === "" || to === undefined ? Number.POSITIVE_INFINITY : Number(to)
  const max = sign === undefined ? (comma === "" ? min : most) : sign === "?" ? 1 : Number.POSITIVE_INFINITY
  return { kind: "repeat", body, min, max, greedy: lazy === "", groups }
}
