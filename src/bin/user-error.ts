/** Typed failures as one message on stderr and exit code 1, without a stack. */
import { CliError } from "effect/cli"
import * as Effect from "effect/Effect"

/** The message for stderr. Its lines are indented alike: the command line indents only the first. */
export const userError = (message: string, cause: unknown = new Error(message)): CliError.UserError =>
  new CliError.UserError({ cause, userMessage: message.replaceAll("\n", "\n  ") })

/** Reports every failure of a command by its `message`. */
export const reported = <A, E extends { readonly message: string }, R>(
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, CliError.CliError, R> =>
  Effect.mapError(effect, (error) => (CliError.isCliError(error) ? error : userError(error.message, error)))
