/**
 * Type declarations of one plan, in the file that TypeScript looks for next to it: `movies.plan.json` has
 * `movies.plan.d.json.ts`. Every value has its literal type: `adapter.method` is "lora", and `data.labels` a tuple of the classes in
 * order. Input paths have the type string, since they differ between machines.
 */
import type { PlanFile } from "../plan/index.ts"

/** Matches files that are loaded as plans when they are imported. */
export const PLAN_FILE = /\.plan\.json$/

/** Returns the path of the declarations of an imported plan, or undefined for a file that is not imported as a plan. */
export const planTypesFile = (file: string): string | undefined =>
  PLAN_FILE.test(file) ? file.replace(/\.json$/, ".d.json.ts") : undefined

const inputs: ReadonlySet<string> = new Set(["model.source", "data.train", "data.validation", "data.test"])

const typeOf = (value: unknown, path: string, indent: string): string => {
  if (typeof value === "string" && inputs.has(path)) return "string"
  if (Array.isArray(value)) return `readonly [${value.map((item) => typeOf(item, `${path}[]`, indent)).join(", ")}]`
  if (typeof value !== "object" || value === null) return JSON.stringify(value)
  const fields = Object.entries(value).map(([key, field]) => {
    const name = /^[A-Za-z_$][\w$]*$/.test(key) ? key : JSON.stringify(key)
    return `${indent}  readonly ${name}: ${typeOf(field, path === "" ? key : `${path}.${key}`, `${indent}  `)}\n`
  })
  return fields.length === 0 ? "{}" : `{\n${fields.join("")}${indent}}`
}

/** Returns the content of `planTypesFile`. The type of the plan is assignable to RunPlan. */
export const planTypesText = ({ plan, name, file }: PlanFile): string =>
  `// What ${file.slice(file.search(/[^/\\]+$/))} says. Written by: tfjs-lora-pro schema --types; run it again when the plan changes.
declare const plan: ${typeOf(JSON.parse(JSON.stringify(plan)), "", "")}
export default plan
export declare const name: ${JSON.stringify(name)}
export declare const file: string
`
