/** `schema`: prints the JSON Schema of plans, for editors and forms. */
import * as Console from "effect/Console"
import { Command } from "effect/cli"
import { runPlanJsonSchemaText } from "../../schemas/index.ts"

export const schemaCommand = Command.make("schema", {}, () => Console.log(runPlanJsonSchemaText().trimEnd())).pipe(
  Command.withDescription("Print the JSON Schema of a plan")
)
