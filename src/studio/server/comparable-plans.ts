/** The plans of a folder that methods can be compared on: those of its runs, and plan files in the places where people keep them. */

import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import { type Files, namesIn, readJsonFile } from "../../files/index.ts"
import { type PlanFile, readPlan } from "../../plan/index.ts"
import type { ComparablePlan } from "../protocol/index.ts"
import { runFolders } from "../runs/index.ts"

const FOLDERS = ["plans", "examples/plans"]
/** A list for a reader to choose from. */
const MOST = 500

/** What every plan has; the rest is looked at when one is chosen. */
const isPlan = Schema.is(
  Schema.Struct({
    model: Schema.Record(Schema.String, Schema.Unknown),
    data: Schema.Record(Schema.String, Schema.Unknown)
  })
)

/** The run that a plan is of; undefined: of none. */
const runOf = (id: string): string | undefined => /^(.+)\/plan\.json$/.exec(id)?.[1]

const filesIn = (folder: string) =>
  Effect.gen(function* () {
    const names = yield* namesIn(folder)
    const files = names.filter((name) => name.endsWith(".json")).sort()
    const plans = yield* Effect.forEach(
      files.slice(0, MOST).map((name) => `${folder}/${name}`),
      (file) =>
        readJsonFile(file).pipe(
          Effect.map((json) => (isPlan(json) ? [file] : [])),
          Effect.orElseSucceed((): ReadonlyArray<string> => [])
        ),
      { concurrency: 16 }
    )
    return plans.flat()
  })

export const comparablePlans: Effect.Effect<ReadonlyArray<ComparablePlan>, never, Files> = Effect.gen(function* () {
  const path = yield* Path.Path
  const runs = yield* runFolders()
  const files = yield* Effect.forEach(FOLDERS, filesIn)
  return [
    ...runs.slice(0, MOST).map((run) => ({ id: `${run}/plan.json`, name: `${path.basename(run)}, a run` })),
    ...files.flat().map((file) => ({ id: file, name: file }))
  ]
})

/** Reads one, under the name that a study of it has. */
export const readComparable = (id: string) =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const run = runOf(id)
    const file: PlanFile = yield* readPlan(id, [], { ofRun: run !== undefined })
    return run === undefined ? file : { ...file, name: path.basename(run) }
  })

const Took = Schema.Struct({ seconds: Schema.Finite })
const decodeTook = Schema.decodeUnknownOption(Took)

/** How long a process needs before its first step and after its last. */
const AROUND = 2 // seconds, on a machine of two cores

/** Seconds of a run of this plan, where it is a run's that came to its end. */
export const secondsOf = (id: string): Effect.Effect<number | null, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const run = runOf(id)
    if (run === undefined) return null
    const took = decodeTook(yield* readJsonFile(`${run}/run.json`).pipe(Effect.orElseSucceed(() => null)))
    return took._tag === "Some" ? took.value.seconds + AROUND : null
  })
