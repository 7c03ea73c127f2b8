/** A merged model's config.json says of numbers what its base's says. */
import { expect, test } from "bun:test"
import { jsonLike } from "../../../src/output/merged-config.ts"

test("a whole number is written with a fraction where the base's has one", () => {
  const base =
    '{"initializer_factor": 1.0, "text": {"scale": -2.00 , "size": 3, "rate": 0.5}, "list": [1.0], "both": 1.0, "b": {"both": 1}}'
  const written = jsonLike({ ...JSON.parse(base), own: 4 }, base)
  expect(written).toContain('"initializer_factor": 1.0,')
  expect(written).toContain('"scale": -2.0,')
  expect(written).toContain('"size": 3,')
  expect(written).toContain('"rate": 0.5')
  // not every number of this name has one
  expect(written).not.toContain('"both": 1.0')
  expect(written).toContain('"own": 4')
  expect(JSON.parse(written)).toEqual({ ...JSON.parse(base), own: 4 })
})
