/** `validate PLAN…`: decode and resolve, and say what would run, or every problem. No weight is read, no device opened. */
import * as Console from "effect/Console"
import { Argument, Command } from "effect/cli"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { describePlan, planJson, readPlan, resolve } from "../plan/index.ts"
import { jsonFlag, setFlag } from "./device-flags.ts"
import { userError } from "./told.ts"

const validated = (file: string, settings: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const { plan, name } = yield* readPlan(file, settings)
    return yield* resolve(plan, name)
  }).pipe(Effect.scoped)

export const validateCommand = Command.make(
  "validate",
  {
    plans: Argument.String("plan").pipe(Argument.withDescription("Plan files"), Argument.atLeast(1)),
    set: setFlag,
    json: jsonFlag
  },
  Effect.fn(function* ({ plans, set, json }) {
    const failures: Array<string> = []
    for (const file of plans) {
      const result = yield* Effect.result(validated(file, set))
      if (Result.isFailure(result)) {
        const { message } = result.failure
        failures.push(message.startsWith(file) || plans.length === 1 ? message : `${file}: ${message}`)
        if (json) yield* Console.log(JSON.stringify({ plan: file, ok: false, problems: message.split("\n") }))
        continue
      }
      const resolved = result.success
      yield* Console.log(
        json ? JSON.stringify({ plan: file, ok: true, ...planJson(resolved) }) : describePlan(resolved)
      )
    }
    if (failures.length > 0) {
      return yield* userError(failures.join("\n"))
    }
  })
).pipe(Command.withDescription("Say what a plan would train, or everything that is wrong with it; reads no weights"))
