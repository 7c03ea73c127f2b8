/**
 * Reads a GGUF file's metadata by key and gathers what is wrong with it: keys of the architecture are named without its prefix
 * ("block_count" for "llama.block_count").
 */
import type { Metadata, MetadataValue } from "./gguf-file.ts"

export interface Fields {
  readonly problems: ReadonlyArray<string>
  /** sizes, counts: a number above 0; NaN with a problem noted where there is none */
  readonly size: (key: string) => number
  /** the nearest short decimal of a float32: 1e-5, not 0.000009999999747378752 */
  readonly real: (key: string) => number
  readonly optionalReal: (key: string) => number | undefined
  /** as it is stored, of any type */
  readonly value: (key: string) => MetadataValue | undefined
  /** a token's id by its name among the tokenizer's ids ("bos" for "tokenizer.ggml.bos_token_id"); null: none is named */
  readonly tokenId: (name: string) => number | null
  readonly note: (problem: string) => void
}

export const fieldsOf = (metadata: Metadata, architecture: string): Fields => {
  const problems: Array<string> = []
  const value = (key: string) => metadata.get(`${architecture}.${key}`)
  const read = (key: string, accepts: (value: number) => boolean, expected: string): number => {
    const found = value(key)
    if (typeof found === "number" && accepts(found)) return found
    const what = found === undefined ? "is missing" : `is ${JSON.stringify(found)?.slice(0, 60)}`
    problems.push(`metadata ${architecture}.${key} ${what}; expected ${expected}`)
    return Number.NaN
  }
  const real = (key: string) => shortest(read(key, Number.isFinite, "a number"))
  return {
    problems,
    size: (key) => read(key, (n) => Number.isSafeInteger(n) && n > 0, "a whole number above 0"),
    real,
    optionalReal: (key) => (value(key) === undefined ? undefined : real(key)),
    value,
    tokenId: (name) => {
      const id = metadata.get(`tokenizer.ggml.${name}_token_id`)
      return typeof id === "number" ? id : null
    },
    note: (problem) => void problems.push(problem)
  }
}

/** The shortest decimal that is the same float32. */
const shortest = (value: number): number => {
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits))
    if (Math.fround(short) === Math.fround(value)) return short
  }
  return value
}
