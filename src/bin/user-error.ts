/** Typed failures as one message on stderr and exit code 1, without a stack. */
import { CliError } from "effect/cli"
import * as Effect from "effect/Effect"
import { cutLines, listed, printable } from "../boundary/index.ts"
import { OutputError } from "./output.ts"

/** Errors list 20 entries of each of their kinds; what is longer all the same ends here. */
const mostLines = 100

/**
 * A message for stderr: what it quotes from outside is shown, not obeyed. Its lines are indented alike: the command line indents only the
 * first.
 */
export const userError = (message: string, cause: unknown = new Error(message)): CliError.UserError => {
  const lines = listed(cutLines(message).split("\n"), mostLines)
  return new CliError.UserError({ cause, userMessage: printable(lines.join("\n  ")) })
}

const readerLeft = (error: unknown): boolean => error instanceof OutputError && error.left

/** Reports every failure of a command by its `message`. Where the reader of a pipe has left, the command has done its part. */
export const reported = <E extends { readonly message: string }, R>(
  effect: Effect.Effect<void, E, R>
): Effect.Effect<void, CliError.CliError, R> =>
  effect.pipe(
    Effect.catchIf(readerLeft, () => Effect.void),
    Effect.mapError((error) => (CliError.isCliError(error) ? error : userError(error.message, error)))
  )
