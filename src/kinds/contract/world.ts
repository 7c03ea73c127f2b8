/** What the parts of a kind ask besides a device, and how they fail. */
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import type * as Scope from "effect/Scope"

export type Files = FileSystem.FileSystem | Path.Path
/** What is asked before a device is. */
export type World = Files | Scope.Scope

/** A failure whose message says all that a user needs. */
export interface Reported {
  /** which failure it is */
  readonly _tag: string
  /** sentences that say what, where, and what to do */
  readonly message: string
}
