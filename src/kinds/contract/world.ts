/** Services and errors of kinds of runs, apart from devices. */
import type * as Scope from "effect/Scope"
import type { Sources } from "../../hub/hub.ts"

/** Services for checking plans, without a device. */
export type World = Sources | Scope.Scope

/** An error with a complete message for users. */
export interface Reported {
  /** tag of the error */
  readonly _tag: string
  /** sentences: what is wrong, where, and what to do */
  readonly message: string
}
