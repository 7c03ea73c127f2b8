/**
 * The type of one known plan, as the declarations that TypeScript looks for beside it: `movies.plan.json` has
 * `movies.plan.d.json.ts`. Every value is its own literal type, `adapter.method` the string "lora" and `data.labels` the classes in
 * their order; input paths alone are strings, because they are other ones on another machine.
 */
import type { PlanFile } from "../plan/index.ts"

/** The files that are read as plans when they are imported. */
export const PLAN_FILE = /\.plan\.json$/

/** Where TypeScript looks for the declarations of an imported plan; undefined for a file whose import is no plan. */
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

/** The text of `planTypesFile`. The plan's own type is assignable to RunPlan. */
export const planTypesText = ({ plan, name, file }: PlanFile): string =>
  `// What ${file.slice(file.search(/[^/\\]+$/))} says. Written by: tfjs-lora-pro schema --types; to be written again when the plan changes.
declare const plan: ${typeOf(JSON.parse(JSON.stringify(plan)), "", "")}
export default plan
export declare const name: ${JSON.stringify(name)}
export declare const file: string
`
