/**
 * Who opens data files: the system, unless a program says otherwise. (A browser page gives files in memory.)
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { DataError } from "./data-error.ts"
import type { DataFile } from "./data-file.ts"
import { openSystemFile } from "./system-file.ts"

/** Opens a file until the scope closes. Fails on a missing, unreadable or empty file and on a directory. */
export type OpenDataFile = (path: string) => Effect.Effect<DataFile, DataError, Scope.Scope>

export const DataFiles = Context.Reference<OpenDataFile>("tfjs-lora-pro/DataFiles", {
  defaultValue: () => openSystemFile
})

export const openFile: OpenDataFile = (path) => Effect.flatMap(DataFiles, (open) => open(path))
