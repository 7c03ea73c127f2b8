/** Ranges of numbers, number by number. */
import { describe, expect, test } from "bun:test"
import { randomStream } from "../../../src/numbers/index.ts"
import { jsonReader } from "./accepts.ts"

describe("integers", () => {
  test("every range between −13 and 113 allows its integers in their one spelling", () => {
    const bounds = [-13, -10, -9, -1, 0, 1, 7, 10, 11, 99, 100, 113]
    for (const minimum of bounds) {
      for (const maximum of bounds.filter((bound) => bound >= minimum)) {
        const reads = jsonReader({ type: "integer", minimum, maximum })
        for (let n = -130; n <= 1200; n++) expect(`${n} ${reads(`${n}`)}`).toBe(`${n} ${n >= minimum && n <= maximum}`)
        expect(["-0", "+1", "01", "00", "1.0", "1e1", "", "-"].filter(reads)).toEqual([])
      }
    }
  }, 20_000)
  test("exclusive bounds and multiples", () => {
    for (const factor of [1, 2, 3, 7, 10]) {
      const reads = jsonReader({ type: "integer", exclusiveMinimum: -30, exclusiveMaximum: 200, multipleOf: factor })
      for (let n = -250; n <= 2050; n++)
        expect(`${n} ${reads(`${n}`)}`).toBe(`${n} ${n > -30 && n < 200 && n % factor === 0}`)
    }
  })
  test("fifteen digits at most", () => {
    const reads = jsonReader({ type: "integer" })
    expect(["0", "999999999999999", "-999999999999999"].filter((text) => !reads(text))).toEqual([])
    expect(["1000000000000000", "-1000000000000000"].filter(reads)).toEqual([])
    const safe = jsonReader({ type: "integer", minimum: -9007199254740991, maximum: 9007199254740991 })
    expect(safe("-123456789012345")).toBe(true)
  })
})

describe("decimals", () => {
  const random = randomStream(1, "decimals")
  const decimal = () => {
    const digits = (count: number) => Array.from({ length: count }, () => Math.floor(random() * 10)).join("")
    const whole = random() < 0.3 ? "0" : `${1 + Math.floor(random() * 9)}${digits(Math.floor(random() * 3))}`
    return `${random() < 0.5 ? "-" : ""}${whole}${random() < 0.2 ? "" : `.${digits(1 + Math.floor(random() * 6))}`}`
  }
  test("what is allowed is what is within the bounds when it is parsed, and not −0", () => {
    for (let i = 0; i < 60; i++) {
      const [a, b] = [Number(decimal()), Number(decimal())]
      const [low, high] = [Math.min(a, b), Math.max(a, b)]
      const open = random() < 0.5
      if (low === high) continue
      const reads = jsonReader(
        open
          ? { type: "number", exclusiveMinimum: low, exclusiveMaximum: high }
          : { type: "number", minimum: low, maximum: high }
      )
      const within = (x: number) => (open ? x > low && x < high : x >= low && x <= high)
      const near = [low, high].flatMap((x) => [
        `${x}`,
        `${x}1`,
        (x + 1e-9).toFixed(9),
        (x - 1e-9).toFixed(9),
        x.toFixed(3)
      ])
      for (const text of [
        ...Array.from({ length: 200 }, decimal),
        ...near.filter((text) => /^-?(0|[1-9]\d*)(\.\d+)?$/.test(text))
      ]) {
        const expected = within(Number(text)) && !Object.is(Number(text), -0) && text.replace(/\D/g, "").length <= 15
        expect(`${low} ${high} ${open} ${text} ${reads(text)}`).toBe(`${low} ${high} ${open} ${text} ${expected}`)
      }
    }
  })
  test("bounds of many digits, tiny and huge", () => {
    const reads = jsonReader({ type: "number", minimum: 0.30000000000000004, exclusiveMaximum: 1e-1 + 0.3 })
    expect(["0.3", "0.30000000000000", "0.4"].filter(reads)).toEqual([])
    expect(reads("0.30000000000001")).toBe(true)
    expect(["0", "0.00000000000001", "-1e3"].map(jsonReader({ type: "number", minimum: 5e-324 }))).toEqual([
      false,
      true,
      false
    ])
    expect(jsonReader({ type: "number", maximum: 1e300 })("12.5")).toBe(true)
  })
  test("exponents where there are no bounds, and every number is finite", () => {
    const reads = jsonReader({ type: "number" })
    expect(["1e9", "1E-99", "2.5e+10", "-0.5e1", "0.5"].filter((text) => !reads(text))).toEqual([])
    expect(["1e999", "1e", "1e+", "e1", ".5", "1.e1", "-0"].filter(reads)).toEqual([])
    expect(Number.isFinite(Number("999999999999999e99"))).toBe(true)
  })
})
