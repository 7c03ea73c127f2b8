/**
 * Sizes that vary, found by comparing one forward pass traced at two sizes of its inputs. A number that is equal in both is a constant; one that
 * differs is factor·batchⁱ·lengthʲ. Since the probed sizes are different primes, at most one such formula fits.
 */
import * as Schema from "effect/Schema"
import type { Origin, Trace } from "./trace.ts"

/** factor·Π axisᵖ, with powers by axis name. */
export interface Product {
  readonly factor: number
  readonly powers: Readonly<Record<string, number>>
}
export type Size = number | Product

/** Sizes of the axes that vary, by name. They are distinct primes, and different in the two passes. */
export type Axes = Readonly<Record<string, number>>

/** Error of a forward pass whose calls depend on the sizes of its inputs. */
export class SizesDiffer extends Schema.TaggedError<SizesDiffer>()("SizesDiffer", { what: Schema.String }) {
  override get message() {
    return `the forward pass of this model changes with the size of its inputs (${this.what}), so no single ONNX graph works for all sizes; nothing was written, use another --format`
  }
}

const MOST = 3

/** Returns the formula for a number that is `a` at the first sizes and `b` at the second; undefined: no formula fits. */
export const sizeOf = (a: number, b: number, [first, second]: readonly [Axes, Axes]): Size | undefined => {
  if (a === b) return a
  const names = Object.keys(first)
  const search = (powers: ReadonlyArray<number>): Product | undefined => {
    if (powers.length < names.length) {
      for (let power = 0; power <= MOST; power++) {
        const exponents = search([...powers, power])
        if (exponents !== undefined) return exponents
      }
      return undefined
    }
    const at = (axes: Axes) => names.reduce((all, name, i) => all * axes[name]! ** powers[i]!, 1)
    const factor = a / at(first)
    if (!Number.isInteger(factor) || factor * at(second) !== b) return undefined
    return { factor, powers: Object.fromEntries(names.map((name, i) => [name, powers[i]!])) }
  }
  return search([])
}

export const isSame = (a: Size, b: Size): boolean => JSON.stringify(a) === JSON.stringify(b)

/** Combines the sources of a value at both sizes; undefined: they do not match. */
const originOf = (a: Origin | undefined, b: Origin | undefined): Origin | "a call" | undefined => {
  if (a?.kind === "constant" && b?.kind === "constant" && a.values.length > 1 && b.values.length > 1) {
    const [first] = a.values
    const same = [...a.values, ...b.values].every((value) => Object.is(value, first))
    if (same) return { kind: "constant", values: [first!] }
  }
  return JSON.stringify(a) === JSON.stringify(b) ? (a ?? "a call") : undefined
}

/** Combines the traces at two sizes into one trace for all sizes. Throws `SizesDiffer`. */
export const generalized = ([a, b]: readonly [Trace, Trace], axes: readonly [Axes, Axes]): Trace<Size> => {
  const fail = (what: string): never => {
    throw new SizesDiffer({ what })
  }
  const both = (one: unknown, other: unknown, what: string): unknown => {
    if (typeof one === "number" && typeof other === "number") {
      return sizeOf(one, other, axes) ?? (Object.is(one, other) ? one : fail(`${what} is ${one} and ${other}`))
    }
    if (Array.isArray(one) && Array.isArray(other) && one.length === other.length) {
      return one.map((part, i) => both(part, other[i], what))
    }
    return JSON.stringify(one) === JSON.stringify(other) ? one : fail(`${what} differs`)
  }
  if (a.calls.length !== b.calls.length || a.values.length !== b.values.length) {
    return fail(`${a.calls.length} and ${b.calls.length} of them`)
  }
  const values = a.values.map((value, i) => {
    const other = b.values[i]!
    const origin = originOf(value.origin, other.origin) ?? fail("it uses different constants")
    const shape = both(value.shape, other.shape, "a shape") as ReadonlyArray<Size>
    return { shape, dtype: value.dtype, ...(origin === "a call" ? {} : { origin }) }
  })
  const calls = a.calls.map((call, i) => {
    const other = b.calls[i]!
    if (call.kernel !== other.kernel || JSON.stringify(call.inputs) !== JSON.stringify(other.inputs)) {
      fail(`${call.kernel} instead of ${other.kernel}`)
    }
    const attributes = Object.fromEntries(
      Object.entries(call.attributes).map(([name, one]) => [
        name,
        both(one, other.attributes[name], `${name} of ${call.kernel}`)
      ])
    )
    return { ...call, attributes }
  })
  return { values, calls, outputs: a.outputs }
}
