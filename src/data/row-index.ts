/**
 * Where the rows of a file are: 8 bytes of offset, 4 of line number and 2 of label a row, so that ten million rows can
 * be shuffled exactly with 140 MB while their text stays in the file. (Typed arrays that double: up to twice that while
 * growing.)
 */
import type { Position } from "./records.ts"

export interface RowIndex {
  readonly rows: number
  /** byte offset of a row; of `rows` itself, the end of the file */
  readonly offset: (row: number) => number
  /** 1-based line of a row */
  readonly line: (row: number) => number
  /** a row's label, an index into `labels` */
  readonly label: (row: number) => number
  /** every label of the file in the order of appearance, with its number of rows and its first row */
  readonly labels: ReadonlyArray<LabelCount>
}

export interface LabelCount {
  readonly label: string
  readonly rows: number
  readonly firstRow: number
}

export interface RowIndexBuilder {
  /** False, and nothing added, where this would be one label more than the index can number. */
  readonly add: (position: Position, label: string) => boolean
  readonly finish: (endOfFile: number) => RowIndex
}

/** The most labels that an index can number. */
export const mostLabels = 65_535

export const rowIndexBuilder = (): RowIndexBuilder => {
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
    const known = ids.get(label)
    if (known !== undefined || labels.length === mostLabels) return known
    ids.set(label, labels.length)
    return labels.push({ label, rows: 0, firstRow: rows }) - 1
  }
  return {
    add: ({ offset, line }, label) => {
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
    finish: (endOfFile) => ({
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
