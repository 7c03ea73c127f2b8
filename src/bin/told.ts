/** Typed failures as one message on stderr and exit code 1, without a stack. */

import { CliError } from "effect/cli"
import * as Effect from "effect/Effect"

/** Every failure of a command becomes what its `message` says. */
export const told = <A, E extends { readonly message: string }, R>(
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, CliError.CliError, R> =>
  Effect.mapError(effect, (error) =>
    CliError.isCliError(error) ? error : new CliError.UserError({ cause: error, userMessage: error.message })
  )
