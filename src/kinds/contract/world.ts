/** What the parts of a kind ask besides a device, and how they fail. */
import type * as Scope from "effect/Scope"
import type { Sources } from "../../hub/hub.ts"

/** What is asked before a device is. */
export type World = Sources | Scope.Scope

/** A failure whose message says all that a user needs. */
export interface Reported {
  /** which failure it is */
  readonly _tag: string
  /** sentences that say what, where, and what to do */
  readonly message: string
}
