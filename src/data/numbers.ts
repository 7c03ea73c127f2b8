/** Lists of numbers as one text, in which they are held as other rows are, and back. */

/** A list, nested or flat, of exactly `size` finite numbers as text; or the end of a sentence about what it is instead. */
export const numbersText = (value: unknown, size: number): { readonly text: string } | { readonly problem: string } => {
  if (!Array.isArray(value)) return { problem: `is ${nameOf(value)}, expected a list of ${size} numbers` }
  const numbers: ReadonlyArray<unknown> = value.flat(Number.POSITIVE_INFINITY)
  const wrong = numbers.findIndex((number) => typeof number !== "number" || !Number.isFinite(number))
  if (wrong >= 0) return { problem: `has ${nameOf(numbers[wrong])} at ${wrong}, expected numbers` }
  if (numbers.length !== size) return { problem: `has ${numbers.length} numbers, expected ${size}` }
  return { text: numbers.join(" ") }
}

/** Numbers as `numbersText` wrote them, each multiplied with `scale`. */
export const numbersOf = (text: string, scale: number): Float32Array =>
  Float32Array.from(text.split(" "), (number) => scale * Number(number))

/** What kind of value something is, in words. */
export const nameOf = (value: unknown): string => {
  if (value === null) return "null"
  if (Array.isArray(value)) return "a list"
  return typeof value === "object" ? "an object" : `a ${typeof value}`
}
