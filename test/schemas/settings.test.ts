/** Settings as data are read twice: by the schemas of plans, and by `settled` for options in code. Both have to accept the same values. */
import { expect, test } from "bun:test"
import * as Schema from "effect/Schema"
import { quantity } from "../../schemas/fields.ts"
import * as settings from "../../schemas/settings.ts"
import { settled } from "../../schemas/settled.ts"

const ranges = Object.entries(settings as unknown as Readonly<Record<string, { readonly of?: settings.NumberRange }>>)
  .map(([name, value]) => [name, value.of ?? value] as const)
  .filter(([, of]) => "expected" in of) as ReadonlyArray<readonly [name: string, of: settings.NumberRange]>

/** Every range, on its bounds, next to them and away from them. */
const values = [
  ...[-1, -0, 0, Number.MIN_VALUE, 1e-8, 0.5, 1 - 2 ** -53, 1, 1.5, 2, 255, 256, 257, 2 ** 53, 1e300],
  ...[Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, "1", null, true, [1]]
]

test("there are ranges with bounds of every kind", () => {
  expect(ranges.length).toBeGreaterThan(15)
  for (const bound of ["least", "above", "most", "below", "whole"])
    expect([bound, ranges.some(([, of]) => bound in of)]).toEqual([bound, true])
})

test.each(ranges)("%s: a plan and code accept the same values", (_, of) => {
  const schema = quantity(of, "a setting")
  const isInPlans = (value: unknown) => Schema.is(schema)(value)
  const isInCode = (value: unknown) => {
    try {
      return settled("f", { option: { of } }, { option: value }).option === value
    } catch {
      return false
    }
  }
  for (const value of values) expect([value, isInCode(value)]).toEqual([value, isInPlans(value)])
})
