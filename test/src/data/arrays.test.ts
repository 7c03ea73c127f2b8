import { expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import { numbersProblem, readNumbers } from "../../../src/data/arrays.ts"

const read = async (text: string, more: object) => {
  const batch = await Effect.runPromise(readNumbers([{ text }] as never, { scale: 0.5, ...more } as never, [2]))
  return Array.from(batch.inputs[0]!.values)
}

test("a row that is asked about is a list, or columns of which the label is none", async () => {
  const row = JSON.stringify({ x1: 2, x2: "4", x9: 7 })
  const asked = { input: "x*", label: "x9" }
  expect(await read("[2, 4]", asked)).toEqual([1, 2])
  expect(await read(row, asked)).toEqual([1, 2])
  expect(numbersProblem(row, asked, [2])).toBeUndefined()
  // without a label all three columns are numbers
  expect(numbersProblem(row, { input: "x*" }, [2])).toBe("has 3 numbers, expected 2")
})
