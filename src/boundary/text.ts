/** Text from outside in messages: short, few, and without what a terminal would obey. */

/** Entries of a list in a message. */
export const mostListed = 20

/** "1 row", "1,350 rows"; `many`: the plural that is not made with an s. */
export const counted = (count: number, one: string, many = `${one}s`): string =>
  `${count.toLocaleString("en")} ${count === 1 ? one : many}`

const andMore = (count: number) => `and ${count.toLocaleString("en")} more`

/** Whether all entries are shown: one more takes the line of "and 1 more", and may itself be the "and n more" of a list within. */
const fits = (entries: ReadonlyArray<unknown>, most: number): boolean => entries.length <= most + 1

/** The first entries, and "and n more" where there are more than `most`. */
export const listed = (entries: ReadonlyArray<string>, most: number = mostListed): ReadonlyArray<string> =>
  fits(entries, most) ? entries : [...entries.slice(0, most), andMore(entries.length - most)]

/** A list in the making of which a message shows the first entries: the others are counted, not kept. */
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

  /** As `listed` has them. */
  get entries(): ReadonlyArray<string> {
    if (this.count === this.first.length) return this.first
    return [...this.first.slice(0, mostListed), andMore(this.count - mostListed)]
  }
}

/** At most `most` characters of a text, with "…" where it was longer. */
export const cut = (text: string, most = 200): string => {
  if (text.length <= most) return text
  // never half of a surrogate pair
  const end = /[\uD800-\uDBFF]/.test(text[most - 1]!) ? most - 1 : most
  return `${text.slice(0, end)}…`
}

const longestLine = 2_000 // characters: a path, what was found and all that was expected

/** A message of which every line has an end. */
export const cutLines = (text: string): string =>
  text.length <= longestLine
    ? text
    : text
        .split("\n")
        .map((line) => cut(line, longestLine))
        .join("\n")

/** A list in a message: a line for each of the first entries, and "and n more". No other entry is put into words. */
export const listedLines = <Entry>(entries: ReadonlyArray<Entry>, line: (entry: Entry) => string): string => {
  const all = fits(entries, mostListed)
  const lines = (all ? entries : entries.slice(0, mostListed)).map((entry) => cutLines(line(entry)))
  return (all ? lines : [...lines, andMore(entries.length - mostListed)]).join("\n")
}

/** A value from a file as JSON, in at most `most` characters. */
export const quoted = (value: unknown, most = 60): string => cut(JSON.stringify(value) ?? "undefined", most)

// C0 and C1 but tab and line feed, DEL, line and paragraph separators, and what changes the direction of text
const controls = /(?![\n\t])[\p{Cc}\u2028\u2029\u200E\u200F\u061C\u202A-\u202E\u2066-\u2069]/gu

const escaped = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`

/** Text that a terminal shows and does not obey: control characters as \uXXXX. Line feeds and tabs stay. */
export const printable = (text: string): string => text.replaceAll(controls, escaped)

/** The same on one line: line feeds and tabs are escapes too. */
export const printableLine = (text: string): string => printable(text).replaceAll("\n", "\\n").replaceAll("\t", "\\t")

/** What was thrown, in its own words. */
export const messageOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown))

/** A word of a POSIX shell command. */
export const shellWord = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) && !word.startsWith("-") ? word : `'${word.replaceAll("'", `'\\''`)}'`
