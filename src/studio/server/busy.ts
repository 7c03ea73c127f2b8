/** What the studio itself does with runs at the moment: no run is removed from under a question or an export. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

export interface Busy {
  /** Until the scope ends. `what`: "is being exported" */
  readonly hold: (id: string, what: string) => Effect.Effect<void, never, Scope.Scope>
  /** undefined: nothing is done with it */
  readonly with: (id: string) => string | undefined
}

export const openBusy = (): Busy => {
  const held = new Set<{ readonly id: string; readonly what: string }>()
  return {
    hold: (id, what) =>
      Effect.asVoid(
        Effect.acquireRelease(
          Effect.sync(() => {
            const one = { id, what }
            held.add(one)
            return one
          }),
          (one) => Effect.sync(() => held.delete(one))
        )
      ),
    with: (id) => [...held].find((one) => one.id === id)?.what
  }
}
