/** The types that are written for a plan: what TypeScript makes of them is in test/package/bun-plugin.processes.ts. */
import { expect, test } from "bun:test"
import { planTypesText } from "../../../src/plugin/plan-types.ts"

const typesOf = (plan: object) => planTypesText({ plan, name: "own", file: "runs/own.plan.json" } as never)

test("files are any text, everything else is what the plan says; an object of one field, and one of none, too", () => {
  const text = typesOf({ data: { train: "rows.jsonl", labels: ["a", 2] }, output: {}, "in-between": { deep: null } })
  expect(text).toContain("// What own.plan.json says.")
  expect(text).toContain(`{
  readonly data: {
    readonly train: string
    readonly labels: readonly ["a", 2]
  }
  readonly output: {}
  readonly "in-between": {
    readonly deep: null
  }
}`)
})
