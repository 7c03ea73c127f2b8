/**
 * The JSON Schema of plans (2020-12), for editors: completion, hover text and red lines while a plan is typed.
 *
 * Generated from the same schema that decodes, so it cannot say something else; it cannot say everything either: the rules between
 * fields (run-plan.ts) are left to `validate`. `run-plan.schema.json` beside this file is its output, written by the verb `schema`.
 */
import * as Schema from "effect/Schema"
import { strict } from "./decode.ts"
import { RunPlan } from "./run-plan.ts"

/** A JSON Schema document that accepts what the decoder's structural pass accepts. */
export const runPlanJsonSchema = (): { readonly [key: string]: unknown } => {
  const { definitions, schema } = Schema.toJsonSchemaDocument(RunPlan, { onExcessProperty: strict.onExcessProperty })
  const named = Object.keys(definitions).length > 0 ? { $defs: definitions } : {}
  return { $schema: "https://json-schema.org/draft/2020-12/schema", ...schema, ...named }
}

/** The text of run-plan.schema.json. */
export const runPlanJsonSchemaText = (): string => `${JSON.stringify(runPlanJsonSchema(), null, 2)}\n`
