/**
 * Sets of Unicode characters as ranges [from, to, from, to, …], ascending, without surrogates, and the bytes of their UTF-8.
 */

/** Ascending pairs of code points, both ends included. */
export type Ranges = ReadonlyArray<number>

export const everything: Ranges = [0, 0xd7ff, 0xe000, 0x10ffff]

export const contains = (ranges: Ranges, character: number): boolean => {
  let [low, high] = [0, ranges.length / 2 - 1]
  while (low <= high) {
    const middle = (low + high) >> 1
    if (character < ranges[2 * middle]!) high = middle - 1
    else if (character > ranges[2 * middle + 1]!) low = middle + 1
    else return true
  }
  return false
}

let characters: string | null = null

/** Every character once, ascending: a megabyte or four, made once. */
const allCharacters = (): string => {
  if (characters !== null) return characters
  const parts: Array<string> = []
  for (let from = 0; from < 0x110000; from += 4096) {
    if (from >= 0xd800 && from <= 0xdfff) continue
    const codes = Array.from({ length: 4096 }, (_, i) => from + i).filter((code) => code < 0xd800 || code > 0xdfff)
    parts.push(String.fromCodePoint(...codes))
  }
  characters = parts.join("")
  return characters
}

/** Classes of ASCII alone, most of those in use: nothing else has to be tried. */
const asciiClass = /^(?:\\[dw]|\[(?!\^)(?:[ -[\]-~]|\\[dw]|\\[ -/:-@[-`{-~])*\])$/
const ascii = String.fromCharCode(...Array.from({ length: 128 }, (_, code) => code))

const known = new Map<string, Ranges>()

/** Returns the characters that a class, an escape or a single character of a pattern matches in the engine, with the flag u. */
export const rangesOf = (source: string): Ranges => {
  const cached = known.get(source)
  if (cached !== undefined) return cached
  const ranges: Array<number> = []
  const add = (from: number, to: number) => {
    if (ranges.length > 0 && ranges.at(-1)! === from - 1) ranges[ranges.length - 1] = to
    else ranges.push(from, to)
  }
  const single = source.codePointAt(0)!
  if (source !== "." && String.fromCodePoint(single).length === source.length) add(single, single)
  else {
    for (const { 0: run } of (asciiClass.test(source) ? ascii : allCharacters()).matchAll(
      new RegExp(`(?:${source})+`, "gu")
    )) {
      const last = run.charCodeAt(run.length - 1)
      const [from, to] = [
        run.codePointAt(0)!,
        last >= 0xdc00 && last <= 0xdfff ? run.codePointAt(run.length - 2)! : last
      ]
      // a run across the surrogates is two
      if (from < 0xd800 && to > 0xdfff) {
        add(from, 0xd7ff)
        add(0xe000, to)
      } else add(from, to)
    }
  }
  if (known.size > 1000) known.clear()
  known.set(source, ranges)
  return ranges
}

/** A set of characters that are never distinguished. */
export interface CharacterClass {
  readonly ranges: Ranges
  /** one of the characters */
  readonly sample: number
}

/** Returns the coarsest partition of all characters in which each of the sets is a union of classes. */
export const classesOf = (sets: ReadonlyArray<Ranges>): ReadonlyArray<CharacterClass> => {
  const borders = new Set<number>()
  for (const ranges of [everything, ...sets]) {
    for (let i = 0; i < ranges.length; i += 2) borders.add(ranges[i]!).add(ranges[i + 1]! + 1)
  }
  const cuts = [...borders].sort((a, b) => a - b)
  const classes = new Map<string, Array<number>>()
  for (let i = 0; i + 1 < cuts.length; i++) {
    const from = cuts[i]!
    if (!contains(everything, from)) continue
    const signature = sets.map((ranges) => (contains(ranges, from) ? "1" : "0")).join("")
    const ranges = classes.get(signature) ?? []
    ranges.push(from, cuts[i + 1]! - 1)
    classes.set(signature, ranges)
  }
  return [...classes.values()].map((ranges) => ({ ranges, sample: ranges[0]! }))
}

/** Byte ranges in sequence, [from, to, from, to, …]: the UTF-8 of a range of characters. */
export type Sequence = ReadonlyArray<number>

const lengths = [0x7f, 0x7ff, 0xffff, 0x10ffff]

/** Returns the UTF-8 of a range of characters, as sequences that together match exactly it. */
export const utf8Sequences = (from: number, to: number): ReadonlyArray<Sequence> => {
  for (const most of lengths) {
    if (from <= most && to > most) return [...utf8Sequences(from, most), ...utf8Sequences(most + 1, to)]
  }
  if (to < 0x80) return [[from, to]]
  // within one length: split so that all but one byte are equal, or all bytes after it are free
  for (const shift of [6, 12, 18]) {
    const mask = (1 << shift) - 1
    if (from >> shift === to >> shift) break
    if ((from & mask) !== 0) return [...utf8Sequences(from, from | mask), ...utf8Sequences((from | mask) + 1, to)]
    if ((to & mask) !== mask) return [...utf8Sequences(from, (to & ~mask) - 1), ...utf8Sequences(to & ~mask, to)]
  }
  const [first, last] = [
    new TextEncoder().encode(String.fromCodePoint(from)),
    new TextEncoder().encode(String.fromCodePoint(to))
  ]
  return [[...first].flatMap((byte, i) => [byte, last[i]!])]
}
