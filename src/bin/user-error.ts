/** Typed failures as one message on stderr and exit code 1, without a stack. */

import { CliError } from "effect/cli"
import * as Effect from "effect/Effect"
import { cut, listed, printable } from "../boundary/index.ts"

/** Errors list 20 entries of each of their kinds; what is longer all the same ends here. */
const [mostLines, longestLine] = [100, 2_000]

/**
 * A message for stderr: what it quotes from outside is shown, not obeyed. Its lines are indented alike: the command line indents only the
 * first.
 */
export const userError = (message: string, cause: unknown = new Error(message)): CliError.UserError => {
  const lines = listed(message.split("\n"), mostLines).map((line) => cut(line, longestLine))
  return new CliError.UserError({ cause, userMessage: printable(lines.join("\n  ")) })
}

/** Reports every failure of a command by its `message`. */
export const reported = <A, E extends { readonly message: string }, R>(
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, CliError.CliError, R> =>
  Effect.mapError(effect, (error) => (CliError.isCliError(error) ? error : userError(error.message, error)))
