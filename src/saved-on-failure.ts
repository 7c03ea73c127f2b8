/** Nothing lost: whatever ends training early, the state of the last whole step is saved, and how to go on is said. */
import * as Effect from "effect/Effect"
import type { Checkpoints, Run } from "./output/index.ts"
import { Progress } from "./progress.ts"
import type { Session } from "./training/index.ts"

/** Saves on failure and on interruption. A state that cannot be saved is said, and hides no other error. */
export const savedOnFailure =
  (session: Session, checkpoints: Checkpoints, run: Run) =>
  <A, E, R>(training: Effect.Effect<A, E, R>) =>
    Effect.onError(training, () =>
      Effect.gen(function* () {
        const tell = yield* Progress
        const notice = (message: string) => tell({ kind: "notice", message })
        yield* checkpoints.save.pipe(
          Effect.andThen(notice(`step ${session.step} is saved; go on with: bun run train --resume ${run.directory}`)),
          Effect.catch(({ message }) =>
            notice(`step ${session.step} could not be saved (${message}); --resume goes on from the checkpoint before`)
          )
        )
      })
    )
