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

/** Lines of variants of a method, whose own line would be the same. */
const variants: Readonly<Record<string, string>> = {
  rslora: "LoRA with the scale α/√r instead of α/r (arXiv 2312.03732).",
  "lora-pro-factored": "LoRA-Pro with moments as products of thin matrices, in a few percent of the memory.",
  "lora-pro-efficient": "LoRA-Pro with Adam on the adjusted gradients of A and B.",
  "lora-pro-invariant": "The efficient form with a second moment independent of the scale and basis of the factors.",
  "lora-pro-sgd": "LoRA-Pro's adjusted gradients without Adam.",
  "reflora-scalar": "Rescales A, B and their moments to equal norms after each step (arXiv 2505.18877)."
}

/** Lists the methods. A variant that has no line has that of its method. */
export const listedMethods = (): ReadonlyArray<ComparedMethod> => {
  const lines = descriptions(runPlanJsonSchema())
  const tags = [...lines.keys()].sort((a, b) => b.length - a.length)
  return Object.entries(comparedMethods).map(([name, { label }]) => {
    const tag = tags.find((candidate) => name.includes(candidate)) ?? name
    const isUsual = DEFAULT_METHODS.includes(name)
    return { name, label, isUsual, group: groupOf(tag), says: variants[name] ?? lines.get(tag) ?? "" }
  })
}
