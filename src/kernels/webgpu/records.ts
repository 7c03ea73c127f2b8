/**
 * A program that works on a list of things of different sizes: a record of words for each, one after the other in a
 * table, and the first group of each among the words, by which a workgroup finds its own.
 */
import type { Span, WebgpuEngine } from "./engine.ts"

export interface Records<Field extends string> {
  /** For a program that reads `table: "u32"`: the fields' places as constants, and `RECORD`, the words of a record. */
  readonly wgsl: string
  /**
   * And `fn recordOf(group: u32, first: u32) -> u32`, where the record begins that a group belongs to; the field
   * `first` holds the first group of each. Needs a word `records`, how many there are.
   */
  readonly find: string
  /** The table of these records; `key` and the records decide each other. */
  readonly table: (engine: WebgpuEngine, key: string, records: ReadonlyArray<Readonly<Record<Field, number>>>) => Span
}

export const recordsOf = <Field extends string>(fields: ReadonlyArray<Field>): Records<Field> => ({
  wgsl: `const RECORD = ${fields.length}u; ${fields.map((field, i) => `const ${field} = ${i}u;`).join(" ")}
`,
  find: `fn recordOf(group: u32, first: u32) -> u32 {
  var low = 0u;
  var high = words.records - 1u;
  while (low < high) {
    let middle = (low + high + 1u) / 2u;
    if (table[middle * RECORD + first] <= group) { low = middle; } else { high = middle - 1u; }
  }
  return low * RECORD;
}
`,
  table: (engine, key, records) =>
    engine.table(key, () => Uint32Array.from(records.flatMap((record) => fields.map((field) => record[field]))))
})

/** Sums of the numbers before each, and of all. */
export const placesOf = (
  sizes: ReadonlyArray<number>
): { readonly starts: ReadonlyArray<number>; readonly end: number } => {
  let end = 0
  const starts = sizes.map((size) => {
    end += size
    return end - size
  })
  return { starts, end }
}
