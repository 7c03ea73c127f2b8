/**
 * A program that works on a list of things of different sizes: a record of words for each, one after the other in a
 * table, and the first group of each among the words, by which a workgroup finds its own.
 */
import type { Span, WebgpuEngine } from "./engine.ts"

/** Records of unsigned integers that programs read from a table. */
export interface Records<Field extends string> {
  /** WGSL for a program with `table: "u32"`: constants for the fields' positions, and `RECORD`, the words of a record */
  readonly wgsl: string
  /**
   * WGSL of `fn recordOf(group: u32, first: u32) -> u32`, the start of the record that a group belongs to; the field `first` contains the first
   * group of each. Requires a word `records`, their number.
   */
  readonly find: string
  /** Returns the table of these records. Equal keys must have equal records. */
  readonly table: (engine: WebgpuEngine, key: string, records: ReadonlyArray<Readonly<Record<Field, number>>>) => Span
}

/** Creates records with these fields. */
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

/** Returns, for each number, the sum of those before it, and the total. */
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
