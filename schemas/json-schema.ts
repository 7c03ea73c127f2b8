/**
 * The JSON Schema of plans (2020-12), for editors: completion, hover text and red lines while a plan is typed.
 *
 * Generated from the same schema that decodes, so it cannot say something else; it cannot say everything either: the
 * rules between fields (run-plan.ts) are left to `validate`. `run-plan.schema.json` and `adaptation-plan.schema.json`
 * beside this file are its output, written by the verb `schema` (`schema --adaptation`).
 */
import * as Schema from "effect/Schema"
import { AdaptationPlan } from "./adaptation-plan.ts"
import { RunPlan } from "./run-plan.ts"
import { strict } from "./strict.ts"

type JsonSchema = { readonly [key: string]: unknown }

/** A JSON Schema document that accepts what the decoder's structural pass accepts. */
const documentOf = (plan: Schema.Top): JsonSchema => {
  const { definitions, schema } = Schema.toJsonSchemaDocument(plan, { onExcessProperty: strict.onExcessProperty })
  const named = Object.keys(definitions).length > 0 ? { $defs: definitions } : {}
  return { $schema: "https://json-schema.org/draft/2020-12/schema", ...schema, ...named }
}

const textOf = (document: JsonSchema): string => `${JSON.stringify(document, null, 2)}\n`

export const runPlanJsonSchema = (): JsonSchema => documentOf(RunPlan)

/** The text of run-plan.schema.json. */
export const runPlanJsonSchemaText = (): string => textOf(runPlanJsonSchema())

export const adaptationPlanJsonSchema = (): JsonSchema => documentOf(AdaptationPlan)

/** The text of adaptation-plan.schema.json. */
export const adaptationPlanJsonSchemaText = (): string => textOf(adaptationPlanJsonSchema())
