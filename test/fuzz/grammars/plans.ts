/** Plans by their own JSON Schema, as an editor would write them; sound ones are resolved against a model that is there. */
import { cpSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import schema from "../../../schemas/run-plan.schema.json" with { type: "json" }
import { resolve } from "../../../src/kinds/index.ts"
import { readPlan } from "../../../src/plan/index.ts"
import type { Made } from "../grammar.ts"
import { jsonText, pick } from "../mutate.ts"
import { golden, type Target } from "../target.ts"
import { tokenizers } from "../tokenizers.ts"
import { ofNode } from "./plan-schema.ts"

/** Mostly the first kind, whose model is there. */
const plan: Made<unknown> = (random) =>
  ofNode(random() < 0.4 ? pick(schema.anyOf, random) : schema.anyOf[0]!, "")(random)

export const plans: Target = (folder) => {
  cpSync(golden("models/bert"), join(folder, "bert"), { recursive: true })
  writeFileSync(join(folder, "bert", "tokenizer.json"), JSON.stringify(tokenizers[0]))
  writeFileSync(join(folder, "rows.csv"), `text,label\n${"a film,a\nb film,b\n".repeat(8)}`)
  writeFileSync(
    join(folder, "rows.jsonl"),
    '{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}\n'
  )
  const file = join(folder, "plan.json")
  return (random) => {
    writeFileSync(file, jsonText(plan(random), random))
    return Effect.flatMap(readPlan(file), ({ plan: read, name }) => resolve(read, name))
  }
}
