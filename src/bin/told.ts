/** Typed failures as one message on stderr and exit code 1, without a stack. */

import { CliError } from "effect/cli"
import * as Effect from "effect/Effect"

/** What is said on stderr. Its lines are indented alike: the command line indents the first one only. */
export const userError = (message: string, cause: unknown = new Error(message)): CliError.UserError =>
  new CliError.UserError({ cause, userMessage: message.replaceAll("\n", "\n  ") })

/** Every failure of a command becomes what its `message` says. */
export const told = <A, E extends { readonly message: string }, R>(
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, CliError.CliError, R> =>
  Effect.mapError(effect, (error) => (CliError.isCliError(error) ? error : userError(error.message, error)))
