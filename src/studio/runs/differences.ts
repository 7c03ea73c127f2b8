/** The fields in which plans differ: those of several runs, or a suggestion and what became of it. */
import { isRecord } from "../../boundary/index.ts"
import type { TableOfTexts } from "../protocol/index.ts"

/** Where a run's files are, which differs with every run and decides nothing. */
const PLACES = new Set(["output.directory", "$schema"])

/** "adapter.rank" → 8; lists are single values. */
const fieldsOf = (plan: Readonly<Record<string, unknown>>, prefix = ""): ReadonlyArray<readonly [string, unknown]> =>
  Object.entries(plan).flatMap(([name, value]) => {
    const path = `${prefix}${name}`
    return isRecord(value) ? fieldsOf(value, `${path}.`) : [[path, value] as const]
  })

const text = (value: unknown): string =>
  value === undefined ? "–" : typeof value === "string" ? value : JSON.stringify(value)

/** A row for each field that differs, a column for each plan. `plans`: null for one that cannot be read, which has no fields. */
export const fieldDifferences = (
  names: ReadonlyArray<string>,
  plans: ReadonlyArray<Readonly<Record<string, unknown>> | null>
): TableOfTexts => {
  const fields = plans.map((plan) => new Map(plan === null ? [] : fieldsOf(plan)))
  const paths = [...new Set(fields.flatMap((ofPlan) => [...ofPlan.keys()]))]
  const rows = paths.map((path) => [path, ...fields.map((ofPlan) => text(ofPlan.get(path)))])
  return { columns: ["Field", ...names], rows: rows.filter(([, ...values]) => new Set(values).size > 1) }
}

/** The same of runs. */
export const planDifferences: typeof fieldDifferences = (names, plans) => {
  const { columns, rows } = fieldDifferences(names, plans)
  return { columns, rows: rows.filter(([path]) => !PLACES.has(path!)) }
}
