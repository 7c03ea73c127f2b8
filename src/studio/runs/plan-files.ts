/** A plan of the page as a file, for the run that it starts and for whoever trains it by hand afterwards. */

import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import type { PlanError } from "../../../schemas/index.ts"
import { type FileError, fileError, readTextFile } from "../../files/index.ts"
import type { Sources } from "../../hub/hub.ts"
import { planFromValue, withInputs } from "../../plan/index.ts"
import type { PlanJson } from "../protocol/index.ts"

const FOLDER = "plans"

/** A name of a run as a folder and a file may have it: "Reviews, 2nd try" → "Reviews-2nd-try". */
export const nameOfRun = (text: string): string => {
  const name = text
    .normalize("NFC")
    .replace(/[^\p{L}\p{N}._]+/gu, "-")
    .replace(/^[-.]+|[-.]+$/g, "")
  return [...name].slice(0, 64).join("") || "run"
}

/**
 * Writes `plans/<name>.json`, or `<name>-2.json` where another plan has that name; an existing file with the same content is reused. Input
 * paths of `plan` are relative to the working directory, those in the file to its folder. Fails if the plan is invalid.
 */
export const writePlan = (name: string, plan: PlanJson): Effect.Effect<string, PlanError | FileError, Sources> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const here = path.resolve(".")
    yield* planFromValue(plan, here)
    const moved = withInputs(plan, (input) => {
      const relative = path.relative(path.resolve(FOLDER), path.resolve(here, input))
      return relative.replaceAll(path.sep, "/") || "."
    })
    const text = `${JSON.stringify(moved, null, 2)}\n`
    yield* fs.makeDirectory(FOLDER, { recursive: true }).pipe(Effect.mapError(fileError("write", FOLDER)))
    for (let n = 1; ; n++) {
      const file = `${FOLDER}/${name}${n === 1 ? "" : `-${n}`}.json`
      const isCreated = yield* fs.writeFileString(file, text, { flag: "wx" }).pipe(
        Effect.as(true),
        Effect.catchIf(
          (error) => error.reason._tag === "AlreadyExists",
          () => Effect.succeed(false)
        ),
        Effect.mapError(fileError("write", file))
      )
      if (isCreated || (yield* readTextFile(file).pipe(Effect.orElseSucceed(() => ""))) === text) return file
    }
  })
