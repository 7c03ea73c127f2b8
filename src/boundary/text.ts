/** Formats text from outside for messages: truncated, limited in number, and without control characters. */

import { wholeNumber } from "./counts.ts"

/** Maximum number of list entries in a message. */
export const mostListed = 20

/** Capitalizes the first letter of a text. */
export const capital = (text: string): string => `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`

const andMore = (count: number) => `and ${wholeNumber(count)} more`

/** Checks whether all entries are listed: a single further one takes the line of "and 1 more", and may itself be the "and n more" of a nested list. */
const fits = (entries: ReadonlyArray<unknown>, most: number): boolean => entries.length <= most + 1

/** Returns the first entries, followed by "and n more" if there are more than `most`. */
export const listed = (entries: ReadonlyArray<string>, most: number = mostListed): ReadonlyArray<string> =>
  fits(entries, most) ? entries : [...entries.slice(0, most), andMore(entries.length - most)]

/** A list of which a message shows the first entries; further entries are counted, not stored. */
export class Listing {
  private readonly first: Array<string> = []
  private count = 0

  add(entry: string): void {
    this.count++
    if (this.first.length <= mostListed) this.first.push(entry)
  }

  get isEmpty(): boolean {
    return this.count === 0
  }

  /** Returns the entries, as `listed` does. */
  get entries(): ReadonlyArray<string> {
    if (this.count === this.first.length) return this.first
    return [...this.first.slice(0, mostListed), andMore(this.count - mostListed)]
  }
}

/** Truncates a text to `most` characters, with "…" if it was longer. */
export const cut = (text: string, most = 200): string => {
  if (text.length <= most) return text
  // does not split a surrogate pair
  const end = /[\uD800-\uDBFF]/.test(text[most - 1]!) ? most - 1 : most
  return `${text.slice(0, end)}…`
}

const longestLine = 2_000 // characters: a path, what was found and all that was expected

/** Truncates every line of a message. */
export const cutLines = (text: string): string =>
  text.length <= longestLine
    ? text
    : text
        .split("\n")
        .map((line) => cut(line, longestLine))
        .join("\n")

/** Formats a list for a message: one line for each of the first entries, followed by "and n more". Formats no other entries. */
export const listedLines = <Entry>(entries: ReadonlyArray<Entry>, line: (entry: Entry) => string): string => {
  const all = fits(entries, mostListed)
  const lines = (all ? entries : entries.slice(0, mostListed)).map((entry) => cutLines(line(entry)))
  return (all ? lines : [...lines, andMore(entries.length - mostListed)]).join("\n")
}

/** Formats a value from a file as JSON, truncated to `most` characters. */
export const quoted = (value: unknown, most = 60): string => cut(JSON.stringify(value) ?? "undefined", most)

// C0 and C1 except tab and line feed, DEL, line and paragraph separators, and bidirectional controls
const controls = /(?![\n\t])[\p{Cc}\u2028\u2029\u200E\u200F\u061C\u202A-\u202E\u2066-\u2069]/gu

const escaped = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`

/** Escapes the control characters of a text as \uXXXX, so that a terminal does not execute them. Keeps line feeds and tabs. */
export const printable = (text: string): string => text.replaceAll(controls, escaped)

/** The same for a single line: escapes line feeds and tabs, too. */
export const printableLine = (text: string): string => printable(text).replaceAll("\n", "\\n").replaceAll("\t", "\\t")

/** Returns the message of a thrown value. */
export const messageOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown))

/** Quotes a word for a POSIX shell. */
export const shellWord = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) && !word.startsWith("-") ? word : `'${word.replaceAll("'", `'\\''`)}'`
