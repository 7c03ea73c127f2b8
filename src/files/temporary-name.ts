/** The names under which files and folders are written before they are renamed. */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import { ownNumber, ownSystem } from "./own-process.ts"

/** The name under which a file is written before it is renamed, in a folder that no other process writes. */
export const temporaryName = (file: string): string => `${file}.tmp-${ownNumber}`

/**
 * The name under which a file or folder is written before it is renamed, where others may write as well. Removes what they left. A page has its
 * files alone, and loads nothing for it.
 */
export const temporaryFor = (file: string): Effect.Effect<string, never, FileSystem.FileSystem> =>
  ownSystem === undefined
    ? Effect.succeed(temporaryName(file))
    : Effect.flatMap(
        Effect.promise(() => import("./leftovers.ts")),
        ({ sweptName }) => sweptName(file)
      )
