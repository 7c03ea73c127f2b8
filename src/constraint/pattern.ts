/**
 * Regular expressions as machines that read characters: sets of positions in the pattern, for JSON Schema's `pattern`, which may match
 * anywhere in a string.
 */
import { type PatternNode, parse, UnboundedPattern } from "../patterns/index.ts"
import { contains, everything, type Ranges, rangesOf } from "./ranges.ts"

/** A place in a pattern: it reads a character, or leads on. */
interface Place {
  readonly id: number
  readonly reads: Ranges | null
  /** where it leads on only at the start or the end of a string */
  readonly edge: "start" | "end" | null
  next: ReadonlyArray<Place>
}

/** Positions of a pattern at a position of a string; `key` identifies them. */
export interface PatternState {
  readonly key: string
  readonly places: ReadonlyArray<Place>
  readonly accepts: boolean
}

export interface PatternMachine {
  readonly start: PatternState
  /** character sets that the machine distinguishes */
  readonly sets: ReadonlyArray<Ranges>
  /** Returns the state after a character; null if no string with this prefix matches. */
  readonly step: (state: PatternState, character: number) => PatternState | null
}

const MOST_PLACES = 10_000

/** Returns the machine, or the end of a sentence that begins with the pattern. */
export const patternMachine = (source: string): PatternMachine | { readonly broken: string } => {
  try {
    new RegExp(source, "u")
    return machine(parse(source).root)
  } catch (cause) {
    if (cause instanceof UnboundedPattern) return { broken: cause.message }
    return { broken: "is not a regular expression with the flag u" }
  }
}

const machine = (root: PatternNode): PatternMachine => {
  let count = 0
  const sets = new Set<Ranges>()
  const place = (fields: Partial<Place> = {}): Place => {
    if (count > MOST_PLACES) throw new UnboundedPattern("is too large with its repetitions written out")
    return { id: count++, reads: null, edge: null, next: [], ...fields }
  }
  const built = (part: PatternNode, next: Place): Place => {
    switch (part.kind) {
      case "one": {
        const reads = rangesOf(part.source)
        sets.add(reads)
        return place({ reads, next: [next] })
      }
      case "sequence":
        return part.parts.reduceRight((after, each) => built(each, after), next)
      case "choice":
        return place({ next: part.options.map((option) => built(option, next)) })
      case "group":
        return built(part.body, next)
      case "edge":
        if (part.edge === "start" || part.edge === "end") return place({ edge: part.edge, next: [next] })
        throw new UnboundedPattern("has a word boundary, which is not supported")
      case "look":
        throw new UnboundedPattern("looks ahead or back, which is not supported")
      case "repeat": {
        const { body, min, max } = part
        let at = next
        if (max === Number.POSITIVE_INFINITY) {
          at = place()
          at.next = [built(body, at), next]
        } else for (let i = min; i < max; i++) at = place({ next: [built(body, at), next] })
        for (let i = 0; i < min; i++) at = built(body, at)
        return at
      }
    }
  }
  const match = place()
  const entry = place()
  entry.next = [built(root, match), place({ reads: everything, next: [entry] })]

  /** places that read, or that wait for the end */
  const closed = (from: ReadonlyArray<Place>, first: boolean, last: boolean): ReadonlyArray<Place> => {
    const seen = new Set<Place>()
    const waiting = [...from]
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      if (seen.has(next)) continue
      seen.add(next)
      const passes = next.reads === null && (next.edge === null || (next.edge === "start" ? first : last))
      if (passes) waiting.push(...next.next)
    }
    return [...seen].filter((each) => each === match || each.reads !== null || each.edge === "end")
  }
  const states = new Map<string, PatternState>()
  const stateOf = (from: ReadonlyArray<Place>, first: boolean): PatternState | null => {
    const all = closed(from, first, false)
    const places = all.includes(match) ? [match] : all.toSorted((a, b) => a.id - b.id)
    if (places.length === 0) return null
    const key = `${first ? "^" : ""}${places.map(({ id }) => id).join()}`
    const known = states.get(key)
    if (known !== undefined) return known
    const made = { key, places, accepts: closed(places, first, true).includes(match) }
    states.set(key, made)
    return made
  }
  return {
    start: stateOf([entry], true)!,
    sets: [...sets],
    step: (state, character) => {
      if (state.places[0] === match) return state
      const read = state.places.filter(({ reads }) => reads !== null && contains(reads, character))
      return stateOf(
        read.flatMap(({ next }) => next),
        false
      )
    }
  }
}
