/** Temporary names, under which files and folders are written before they are renamed. */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import { ownNumber, ownSystem } from "./own-process.ts"

/** Returns a temporary name for a file in a folder that no other process writes. */
export const temporaryName = (file: string): string => `${file}.tmp-${ownNumber}`

/**
 * Returns a temporary name for a file or folder in a folder that others may write as well. Removes leftovers of dead processes. In a page, whose
 * files no other process writes, no code is loaded for that.
 */
export const temporaryFor = (file: string): Effect.Effect<string, never, FileSystem.FileSystem> =>
  ownSystem === undefined
    ? Effect.succeed(temporaryName(file))
    : Effect.flatMap(
        Effect.promise(() => import("./leftovers.ts")),
        ({ sweptName }) => sweptName(file)
      )
