/** Text from outside in messages: short, few, and without what a terminal would obey. */

/** Entries of a list in a message. */
export const mostListed = 20

/** The first entries, and "and n more" where there are more than `most`. */
export const listed = (entries: ReadonlyArray<string>, most: number = mostListed): ReadonlyArray<string> =>
  entries.length <= most
    ? entries
    : [...entries.slice(0, most), `and ${(entries.length - most).toLocaleString("en")} more`]

/** At most `most` characters of a text, with "…" where it was longer. */
export const cut = (text: string, most = 200): string => {
  if (text.length <= most) return text
  // never half of a surrogate pair
  const end = /[\uD800-\uDBFF]/.test(text[most - 1]!) ? most - 1 : most
  return `${text.slice(0, end)}…`
}

// C0 and C1 but tab and line feed, DEL, line and paragraph separators, and what changes the direction of text
const controls = /(?![\n\t])[\p{Cc}\u2028\u2029\u200E\u200F\u061C\u202A-\u202E\u2066-\u2069]/gu

const escaped = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`

/** Text that a terminal shows and does not obey: control characters as \uXXXX. Line feeds and tabs stay. */
export const printable = (text: string): string => text.replaceAll(controls, escaped)

/** The same on one line: line feeds and tabs are escapes too. */
export const printableLine = (text: string): string => printable(text).replaceAll("\n", "\\n").replaceAll("\t", "\\t")
