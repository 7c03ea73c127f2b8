/** docs/plan-reference.md is what the schemas say, and they say something of every field. */
import { expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { initFacts, methodFacts, optimizerFacts } from "../../schemas/index.ts"
import { planKinds } from "../../schemas/kinds/index.ts"
import runPlanSchema from "../../schemas/run-plan.schema.json" with { type: "json" }
import { planReference, undescribed } from "../../scripts/plan-reference.ts"

const page = readFileSync(join(import.meta.dir, "..", "..", "docs", "plan-reference.md"), "utf8")

test("the page is what the schemas say: else run bun scripts/plan-reference.ts", () => {
  expect(page).toBe(planReference())
})

test("every option has a description", () => {
  expect(undescribed()).toEqual([])
})

test("an integer says what it counts; ranks, seeds and keys count nothing", () => {
  const rows = page.split("\n").map((line) => line.split(" | "))
  const integers = rows.filter(([, value]) => value?.startsWith("integer"))
  expect(integers.length).toBeGreaterThan(40)
  const bare = integers.filter(([, value]) => !/ \(\w+\)/.test(value!)).map(([field]) => field!)
  expect(bare.filter((field) => !/(rank|seed|Key)`/i.test(field))).toEqual([])
})

test("every format, method, init and optimizer has a chapter", () => {
  const headings = page.split("\n").filter((line) => line.startsWith("### "))
  const expected = [
    ...Object.keys(planKinds).map((format) => `### data: ${format}`),
    ...Object.keys(methodFacts).map((method) => `### adapter: ${method}`),
    ...Object.keys(initFacts).map((init) => `### adapter.init: ${init}`),
    ...Object.keys(optimizerFacts).map((kind) => `### optimizer: ${kind}`)
  ]
  expect(expected.length).toBeGreaterThan(35)
  expect(expected.filter((heading) => !headings.includes(heading))).toEqual([])
  expect(new Set(headings).size).toBe(headings.length)
})

/** Every property of the JSON Schema that editors have, with its default, by another way through it. */
const propertiesOf = (node: unknown): ReadonlyArray<readonly [name: string, standard: unknown]> => {
  if (typeof node !== "object" || node === null) return []
  const { properties } = node as { readonly properties?: Record<string, { readonly default?: unknown }> }
  return [
    ...Object.entries(properties ?? {}).map(([name, field]) => [name, field.default] as const),
    ...Object.values(node).flatMap(propertiesOf)
  ]
}

test("every field of the JSON Schema is in a table", () => {
  const rows = page.split("\n").filter((line) => /^\| \[?`/.test(line))
  const fields = new Set(rows.flatMap((row) => row.split(" | ")[0]!.match(/[$\w]+(?=`|: ")/g) ?? []))
  const names = [...new Set(propertiesOf(runPlanSchema).map(([name]) => name))]
  expect(names.length).toBeGreaterThan(90)
  expect(names.filter((name) => name !== "format" && name !== "method" && !fields.has(name))).toEqual([])
  const defaults = propertiesOf(runPlanSchema).flatMap(([, standard]) =>
    typeof standard === "number" || typeof standard === "string" ? [JSON.stringify(standard)] : []
  )
  expect(defaults.filter((standard) => !page.includes(`| \`${standard.replaceAll("|", "\\|")}\` |`))).toEqual([])
})
