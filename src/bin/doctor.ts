/** `doctor`: what this machine can train on, and how fast. It always succeeds: what is missing is part of the answer. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { currentRuntime } from "../device/index.ts"
import { diagnose, diagnosisText } from "../doctor/index.ts"
import type { doctorFlags, Given } from "./flags.ts"
import { terminalListener } from "./terminal.ts"

export const doctor = ({ json }: Given<typeof doctorFlags>) =>
  Effect.gen(function* () {
    const tell = terminalListener(process.stderr)
    const diagnosis = yield* diagnose(yield* currentRuntime, (doing) => tell({ kind: "notice", message: `${doing} …` }))
    yield* Console.log(json ? JSON.stringify(diagnosis) : diagnosisText(diagnosis))
  })
