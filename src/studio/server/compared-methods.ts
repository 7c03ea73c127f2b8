/** The methods that a study can compare, by what they replace in a plan, each with the line that the schema of plans has for it. */

import { initFacts, optimizerFacts, runPlanJsonSchema } from "../../../schemas/index.ts"
import { isRecord } from "../../boundary/index.ts"
import { comparedMethods, DEFAULT_METHODS } from "../../compare/index.ts"
import type { ComparedMethod } from "../protocol/index.ts"

/** The descriptions of sections of plans by their tag: "lora-plus" → "AdamW with a larger learning rate for B." */
const descriptions = (schema: unknown, byTag = new Map<string, string>()): ReadonlyMap<string, string> => {
  if (Array.isArray(schema)) for (const part of schema) descriptions(part, byTag)
  if (!isRecord(schema)) return byTag
  const { properties, description } = schema
  for (const tag of isRecord(properties) && typeof description === "string" ? ["method", "kind"] : []) {
    const field = (properties as Readonly<Record<string, unknown>>)[tag]
    const names: unknown = isRecord(field) ? (field["enum"] ?? [field["const"]]) : []
    if (Array.isArray(names) && names.length === 1 && typeof names[0] === "string")
      byTag.set(names[0], `${description}`)
  }
  for (const part of Object.values(schema)) descriptions(part, byTag)
  return byTag
}

const groupOf = (tag: string): string =>
  Object.hasOwn(optimizerFacts, tag) ? "Optimizers" : Object.hasOwn(initFacts, tag) ? "Initializations" : "Adapters"

/** Lists the methods. A variant such as "lora-pro-sgd" has the line of the method that it is a variant of. */
export const listedMethods = (): ReadonlyArray<ComparedMethod> => {
  const lines = descriptions(runPlanJsonSchema())
  const tags = [...lines.keys()].sort((a, b) => b.length - a.length)
  return Object.entries(comparedMethods).map(([name, { label }]) => {
    const tag = tags.find((candidate) => name.includes(candidate)) ?? name
    const isUsual = DEFAULT_METHODS.includes(name)
    return { name, label, isUsual, group: groupOf(tag), says: lines.get(tag) ?? "" }
  })
}
