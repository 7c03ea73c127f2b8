/**
 * Classes of characters as the Rust library has them, whatever version of Unicode the engine knows: Bun, Deno, Node and browsers give a text
 * the same tokens. A set is the places at which membership changes, so two sets differ by the places that only one of them has.
 */
import { categories, categoryLetters, categoryNames, differences } from "./tables.ts"

type Borders = ReadonlyArray<number>

const differ = (...sets: ReadonlyArray<Borders>): Borders => {
  const borders = new Set<number>()
  for (const border of sets.flat()) if (!borders.delete(border)) borders.add(border)
  return [...borders].sort((a, b) => a - b)
}

const read = (difference: string): Borders => {
  let border = 0
  return difference.split(" ").map((distance) => {
    border += Number.parseInt(distance, 36)
    return border
  })
}

const names = categoryNames.split(" ")

let runs: ReadonlyArray<readonly [category: number, start: number, end: number]> | undefined

const readRuns = () => {
  let end = 0
  return Array.from(categories.matchAll(/([^0-9a-z])([0-9a-z]*)/g), ([, letter, length]) => {
    const start = end
    end += length === "" ? 1 : Number.parseInt(length!, 36)
    return [categoryLetters.indexOf(letter!), start, end] as const
  })
}

/** Characters of categories; a name of one letter is several of them. */
const ofCategories = (...wanted: ReadonlyArray<string>): Borders => {
  const isWanted = names.map((name) => wanted.includes(name) || wanted.includes(name[0]!))
  runs ??= readRuns()
  const borders: Array<number> = []
  for (const [category, start, end] of runs) {
    if (!isWanted[category]) continue
    if (borders.at(-1) === start) borders.pop()
    else borders.push(start)
    borders.push(end)
  }
  return borders
}

/** What only the engine knows, such as scripts: that of the characters that oniguruma knows too. */
const ofEngine = (name: string): Borders => {
  const members = new RegExp(`\\p{${name}}`, "u")
  const assigned = differ(ofCategories("Cn"), [0, 0x110000])
  const borders: Array<number> = []
  for (let i = 0; i < assigned.length; i += 2) {
    for (let character = assigned[i]!; character < assigned[i + 1]!; character++) {
      if (members.test(String.fromCodePoint(character))) borders.push(character, character + 1)
    }
  }
  return differ(borders)
}

/** Sets by name, in addition to the categories. `White_Space` is that of all versions since 6.3. */
const sets: Readonly<Record<string, () => Borders>> = {
  Any: () => [0, 0x110000],
  White_Space: () => differ(ofCategories("Z"), [9, 0xe, 0x85, 0x86]),
  Word: () => differ(ofCategories("L", "M", "Nd", "Nl", "Pc"), read(differences.word)),
  WordOfRegex: () => differ(setOf("Word"), read(differences.wordOfRegex)),
  Numeric: () => differ(ofCategories("N"), read(differences.numeric)),
  Punctuation8: () => differ(ofCategories("P"), read(differences.punctuation)),
  Removed: () => differ(ofCategories("Cc", "Cf", "Co"), read(differences.removed)),
  Accent: () => differ(ofCategories("Mn"), read(differences.accents)),
  Mark: () => differ(ofCategories("M"), read(differences.marks)),
  Extending: () => differ(ofCategories("M"), read(differences.extending)),
  Prepended: () => read(differences.prepended),
  Controlling: () => ofCategories("Cc", "Cf", "Zl", "Zp"),
  Changing: () => read(differences.changing)
}

const setOf = (name: string): Borders => {
  if (Object.hasOwn(sets, name)) return sets[name]!()
  return names.some((category) => category === name || category[0] === name) ? ofCategories(name) : ofEngine(name)
}

const contents = new Map<string, string>()

/** A set, or with `outside` all other characters, as what stands between the brackets of a class. */
export const content = (name: string, outside = false): string => {
  const key = `${outside}${name}`
  const known = contents.get(key)
  if (known !== undefined) return known
  const borders = outside ? differ(setOf(name), [0, 0x110000]) : setOf(name)
  const made = borders.reduce((text, border, i) => {
    const last = i % 2 === 1
    if (last && border === borders[i - 1]! + 1) return text
    return `${text}${last ? "-" : ""}\\u{${(last ? border - 1 : border).toString(16)}}`
  }, "")
  contents.set(key, made)
  return made
}

/** What the tokenizer library writes for a word character in a class. */
const wordInLibrary = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}"

/** A pattern that the library wrote for JavaScript, with oniguruma's characters in place of each `\p{…}`. */
export const withOwnClasses = (source: string): string => {
  let inClass = false
  return source
    .replaceAll(wordInLibrary, "\\p{Word}")
    .replace(/\\([pP])\{([^}]*)\}|\\[\s\S]|[[\]]/g, (part, kind: string | undefined, name: string) => {
      if (part === "[" || part === "]") inClass = part === "["
      if (kind === undefined) return part
      const body = content(name, kind === "P")
      return inClass ? body : `[${body}]`
    })
}

/** A pattern with names of sets, `\p{…}`, of which all matches are looked for. */
export const pattern = (source: string): RegExp => new RegExp(withOwnClasses(source), "gu")
