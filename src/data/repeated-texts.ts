/**
 * Texts that stand in the data more than once: in the training rows, where they count twice, and in an evaluation split as
 * well as in the training rows, where they make the model look better than it is. A repeated text with another label is
 * said by itself: one of the two is wrong, or the text does not decide.
 *
 * By hashes (`text-hash.ts`), in an open-addressing table of 8 to 16 bytes a training row that lives as long as the check.
 */
import type { RowIndex, TextHashes } from "./row-index.ts"

/** Some rows of a scanned file: all of them, or the ones listed. */
export interface HashedRows {
  readonly where: string
  readonly index: RowIndex
  readonly hashes: TextHashes
  readonly rows?: Uint32Array
}

const examplesShown = 3

interface Repeats {
  readonly rows: number
  /** of them with another label than the row they repeat */
  readonly otherLabel: number
  readonly examples: ReadonlyArray<string>
  readonly otherLabelExamples: ReadonlyArray<string>
}

/** One sentence for each kind of repetition that there is. */
export const repeatedTextWarnings = (
  train: HashedRows,
  evaluated: { readonly [split in "validation" | "test"]?: HashedRows }
): ReadonlyArray<string> => {
  const table = firstRows(train)
  const warnings = warningsOf(table.repeatsWithin, {
    place: `train (${train.where})`,
    what: "repeat the text of an earlier row",
    rows: count(train),
    other: "the same text as an earlier row but another label"
  })
  const leaks = (["validation", "test"] as const).flatMap((name) => {
    const split = evaluated[name]
    if (split === undefined) return []
    return warningsOf(table.repeatsIn(split), {
      place: `${name} (${split.where})`,
      what: "have a text that is also in train, so the model has seen them",
      rows: count(split),
      other: "the same text as a training row but another label"
    })
  })
  return [...warnings, ...leaks]
}

const count = ({ rows, hashes }: HashedRows): number => rows?.length ?? hashes.length

interface Words {
  readonly place: string
  readonly what: string
  readonly other: string
  readonly rows: number
}

const warningsOf = (repeats: Repeats, { place, what, other, rows }: Words): ReadonlyArray<string> => {
  const of = (some: number) => `${some.toLocaleString("en")} of ${rows.toLocaleString("en")} rows`
  const like = (examples: ReadonlyArray<string>) => `(${examples.join(", ")})`
  return [
    ...(repeats.rows > 0 ? [`${place}: ${of(repeats.rows)} ${what} ${like(repeats.examples)}`] : []),
    ...(repeats.otherLabel > 0
      ? [`${place}: ${of(repeats.otherLabel)} have ${other} ${like(repeats.otherLabelExamples)}`]
      : [])
  ]
}

/** Enters the rows into a table of first occurrences; tells what was there already, then and later. */
const firstRows = (train: HashedRows) => {
  const size = 2 ** Math.ceil(Math.log2(2 * count(train) + 1))
  const slots = new Uint32Array(size) // row + 1; 0 is free
  const { words } = train.hashes
  /** The slot of the row whose text has this hash, or the free one where it belongs. */
  const slotOf = (high: number, low: number): number => {
    let slot = low & (size - 1)
    for (;;) {
      const row = slots[slot]! - 1
      if (row < 0 || (words[2 * row] === high && words[2 * row + 1] === low)) return slot
      slot = (slot + 1) & (size - 1)
    }
  }
  const within = collector(train)
  forEachRow(train, (row) => {
    const slot = slotOf(words[2 * row]!, words[2 * row + 1]!)
    if (slots[slot] === 0) slots[slot] = row + 1
    else within.add(train, row, slots[slot]! - 1)
  })
  return {
    repeatsWithin: within.repeats,
    repeatsIn: (split: HashedRows): Repeats => {
      const found = collector(train)
      forEachRow(split, (row) => {
        const slot = slotOf(split.hashes.words[2 * row]!, split.hashes.words[2 * row + 1]!)
        if (slots[slot] !== 0) found.add(split, row, slots[slot]! - 1)
      })
      return found.repeats
    }
  }
}

const forEachRow = (some: HashedRows, use: (row: number) => void): void => {
  const rows = count(some)
  for (let i = 0; i < rows; i++) use(some.rows?.[i] ?? i)
}

const collector = (train: HashedRows) => {
  const repeats = { rows: 0, otherLabel: 0, examples: [] as string[], otherLabelExamples: [] as string[] }
  const labelOf = ({ index }: HashedRows, row: number) => index.labels[index.label(row)]!.label
  return {
    repeats,
    add: (split: HashedRows, row: number, first: number): void => {
      const example = `${split.where}:${split.index.line(row)} = ${train.where}:${train.index.line(first)}`
      repeats.rows++
      if (repeats.examples.length < examplesShown) repeats.examples.push(example)
      const [own, other] = [labelOf(split, row), labelOf(train, first)]
      if (own === other) return
      repeats.otherLabel++
      if (repeats.otherLabelExamples.length < examplesShown) {
        repeats.otherLabelExamples.push(`${example}: "${own}", "${other}"`)
      }
    }
  }
}
