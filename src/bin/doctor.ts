/** `doctor`: reports what this machine can train on, and how fast. Always succeeds: problems are part of the report. */
import * as Effect from "effect/Effect"
import { currentRuntime } from "../device/index.ts"
import { diagnose, diagnosisText } from "../doctor/index.ts"
import type { doctorFlags, Given } from "./flags.ts"
import { print, printJson, screen } from "./output.ts"
import { terminalListener } from "./terminal.ts"

export const doctor = ({ json }: Given<typeof doctorFlags>) =>
  Effect.gen(function* () {
    const tell = terminalListener(screen)
    const diagnosis = yield* diagnose(yield* currentRuntime, (doing) => tell({ kind: "notice", message: `${doing} …` }))
    yield* json ? printJson(diagnosis) : print(diagnosisText(diagnosis))
  })
