/**
 * `schema`: prints the JSON Schema of plans (`--adaptation`: of adaptation plans), for editors and forms. `schema
 * --types PLAN…` writes the TypeScript type of each plan next to it, for programs that import them.
 */

import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Result from "effect/Result"
import { adaptationPlanJsonSchemaText, runPlanJsonSchemaText } from "../../schemas/index.ts"
import { platformReason } from "../files/index.ts"
import type { Given, schemaFlags } from "./flags.ts"
import { print, userError } from "./output.ts"

/** Returns the file that was written, or the problem of the plan. */
const writeTypes = (plan: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const { readPlan } = yield* Effect.promise(() => import("../plan/index.ts"))
    const { planTypesFile, planTypesText } = yield* Effect.promise(() => import("../plugin/plan-types.ts"))
    const types = planTypesFile(plan)
    if (types === undefined) {
      const reason = "programs can only import plans named ….plan.json; rename the file to get its types"
      return yield* Effect.fail({ message: `${plan}: ${reason}` })
    }
    const text = planTypesText(yield* readPlan(plan))
    yield* fs
      .writeFileString(types, text)
      .pipe(Effect.mapError((error) => ({ message: `${types} cannot be written: ${platformReason(error)}` })))
    return types
  })

const writeAllTypes = (plans: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const failures: Array<string> = []
    for (const plan of plans) {
      const typesFile = yield* Effect.result(writeTypes(plan))
      if (Result.isFailure(typesFile)) failures.push(typesFile.failure.message)
      else yield* print(typesFile.success)
    }
    if (failures.length > 0) return yield* userError(failures.join("\n"))
  })

export const schema = ({ types, adaptation, plans }: Given<typeof schemaFlags>) =>
  Effect.gen(function* () {
    if (types !== plans.length > 0) {
      return yield* userError(
        types ? "--types needs plan files: schema --types x.plan.json" : "plan files need --types"
      )
    }
    const text = adaptation ? adaptationPlanJsonSchemaText() : runPlanJsonSchemaText()
    yield* types ? writeAllTypes(plans) : print(text.trimEnd())
  })
