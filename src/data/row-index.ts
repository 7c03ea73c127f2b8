/**
 * Index of a file's rows: per row 8 bytes of offset, 4 of line number, 2 of label and 8 of text hash, so that ten
 * million rows can be shuffled exactly with 220 MB while their text stays in the file. (Growing typed arrays by doubling: up to twice
 * that meanwhile.)
 */
import type { Position } from "./records.ts"

export interface RowIndex {
  /** number of rows */
  readonly rows: number
  /** returns the byte offset of a row; for `rows` itself, the end of the file */
  readonly offset: (row: number) => number
  /** returns the line of a row, from 1 */
  readonly line: (row: number) => number
  /** returns a row's label, an index into `labels` */
  readonly label: (row: number) => number
  /** distinct labels in order of appearance, each with its number of rows and its first row */
  readonly labels: ReadonlyArray<LabelCount>
}

export interface LabelCount {
  /** label as in the rows */
  readonly label: string
  /** number of rows with it */
  readonly rows: number
  /** index of the first of them */
  readonly firstRow: number
}

/** Maximum number of labels in an index. */
export const mostLabels = 65_535

export const rowIndexBuilder = () => {
  let offsets = new Float64Array(1024)
  let lines = new Uint32Array(1024)
  let labelIds = new Uint16Array(1024)
  let rows = 0
  const ids = new Map<string, number>()
  const labels: Array<{ label: string; rows: number; firstRow: number }> = []
  const grow = () => {
    offsets = copyInto(new Float64Array(2 * rows), offsets)
    lines = copyInto(new Uint32Array(2 * rows), lines)
    labelIds = copyInto(new Uint16Array(2 * rows), labelIds)
  }
  const idOf = (label: string): number | undefined => {
    const id = ids.get(label)
    if (id !== undefined || labels.length === mostLabels) return id
    ids.set(label, labels.length)
    return labels.push({ label, rows: 0, firstRow: rows }) - 1
  }
  return {
    /** Adds a row. Returns false, without adding it, if it has a new label beyond the maximum. */
    add: ({ offset, line }: Position, label: string): boolean => {
      const id = idOf(label)
      if (id === undefined) return false
      if (rows === offsets.length) grow()
      offsets[rows] = offset
      lines[rows] = line
      labelIds[rows] = id
      labels[id]!.rows++
      rows++
      return true
    },
    finish: (endOfFile: number): RowIndex => ({
      rows,
      offset: (row) => (row < rows ? offsets[row]! : endOfFile),
      line: (row) => lines[row]!,
      label: (row) => labelIds[row]!,
      labels
    })
  }
}

const copyInto = <A extends Float64Array | Uint32Array | Uint16Array>(target: A, source: A): A => {
  target.set(source)
  return target
}

/** Hashes in row order, 8 bytes each. */
export interface TextHashes {
  readonly length: number
  /** two words per hash: that of row i is at 2i and 2i + 1 */
  readonly words: Uint32Array
}

export const normalizedText = (text: string): string =>
  text
    .normalize("NFC")
    .replace(/\s{2,}|[^\S ]/g, " ")
    .trim()

/**
 * Writes the two words of a text's hash to `words` at `at`. Texts that differ only in Unicode form (NFC) or white space
 * have the same hash; case is significant.
 *
 * Two multiplicative lanes over UTF-16 units, each finished with the other (cyrb53 by bryc, public domain, with all 64 bits kept).
 * Among ten million different texts, the probability of a collision is n²/2⁶⁵ ≈ 3·10⁻⁶. Not resistant to deliberate
 * collisions.
 */
export const hashText = (text: string, words: Uint32Array, at: number): void => {
  const plain = normalizedText(text)
  let [high, low] = [0xdeadbeef, 0x41c6ce57]
  for (let i = 0; i < plain.length; i++) {
    const unit = plain.charCodeAt(i)
    high = Math.imul(high ^ unit, 2654435761)
    low = Math.imul(low ^ unit, 1597334677)
  }
  words[at] = finished(high, low)
  words[at + 1] = finished(low, high)
}

// the finalizer of MurmurHash3, by which every bit of both lanes affects every bit of the word
const finished = (lane: number, other: number): number =>
  Math.imul(lane ^ (lane >>> 16), 2246822507) ^ Math.imul(other ^ (other >>> 13), 3266489909)

export const textHashBuilder = () => {
  let words = new Uint32Array(2048)
  let length = 0
  return {
    add: (text: string): void => {
      if (2 * length === words.length) {
        const larger = new Uint32Array(2 * words.length)
        larger.set(words)
        words = larger
      }
      hashText(text, words, 2 * length)
      length++
    },
    finish: (): TextHashes => ({ length, words })
  }
}
