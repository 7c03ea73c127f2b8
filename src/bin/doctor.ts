/**
 * `doctor`: what this machine can train on, and how fast; always ends well, for what is missing is part of the answer.
 */
import * as Console from "effect/Console"
import { Command } from "effect/cli"
import * as Effect from "effect/Effect"
import { currentRuntime, diagnose, diagnosisText } from "../doctor/index.ts"
import { jsonFlag } from "./device-flags.ts"
import { terminalListener } from "./terminal.ts"

export const doctorCommand = Command.make("doctor", { json: jsonFlag }, ({ json }) =>
  Effect.gen(function* () {
    const tell = terminalListener(process.stderr)
    const diagnosis = yield* diagnose(yield* currentRuntime, (doing) => tell({ kind: "notice", message: `${doing} …` }))
    yield* Console.log(json ? JSON.stringify(diagnosis) : diagnosisText(diagnosis))
  })
).pipe(
  Command.withDescription("Say what this machine can train on, how fast, and what is missing; two seconds a device")
)
