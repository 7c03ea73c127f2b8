/** Runs programs confined in this runtime; their outcomes, as JSON. Arguments: a file of programs as JSON, and options. */
import { readFileSync } from "node:fs"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { confinedPrograms } from "../../../src/index.ts"
import { platform } from "../../../src/platform.ts"
import { type ProgramLanguage, Programs } from "../../../src/scoring/index.ts"

const [file, options = "{}"] = process.argv.slice(2)
const programs: ReadonlyArray<readonly [ProgramLanguage, string]> = JSON.parse(readFileSync(file!, "utf8"))

const outcomes = await Effect.gen(function* () {
  const { run } = yield* Programs
  return yield* Effect.forEach(programs, ([language, source]) => Effect.result(run(language, source)), {
    concurrency: "unbounded"
  })
}).pipe(Effect.provide(confinedPrograms(JSON.parse(options))), Effect.provide(platform), Effect.runPromise)
console.log(
  JSON.stringify({
    outcomes: outcomes.map(Result.match({ onSuccess: (one) => one, onFailure: ({ message }) => message }))
  })
)
