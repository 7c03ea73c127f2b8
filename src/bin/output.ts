/**
 * What commands print. Results go to stdout, and a command fails where they cannot; what is said beside them goes to stderr, and the
 * command goes on where no one can see it.
 *
 * A terminal obeys control characters, so text from outside is shown with escapes in their place: in all that is said, and in results on
 * a terminal. To a pipe or a file results go as they are. JSON has escapes of its own, and means the same either way.
 */
import { format } from "node:util"
import type * as Console from "effect/Console"
import { CliError } from "effect/cli"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import { cutLines, listed, printable, withoutSecretsIn } from "../boundary/index.ts"
import { systemReason } from "../files/platform-reason.ts"

/**
 * Whether a stream moves its cursor and shows colours, and the few colours there are: errors red (the command-line library's), warnings
 * yellow, what was gained green. `NO_COLOR` turns them off, `FORCE_COLOR` on where there is no terminal, `TERM=dumb` off everywhere.
 */
type Stream = "stdout" | "stderr"

const isTerminal = (stream: Stream): boolean => process[stream].isTTY === true && process.env["TERM"] !== "dumb"

/** Whether a line can be written over. */
const canMove = (stream: Stream): boolean => isTerminal(stream)

export const canColour = (stream: Stream): boolean => {
  const { TERM, NO_COLOR = "", FORCE_COLOR = "" } = process.env
  if (TERM === "dumb" || NO_COLOR !== "") return false
  return (FORCE_COLOR !== "" && FORCE_COLOR !== "0" && FORCE_COLOR !== "false") || isTerminal(stream)
}

const codes = { red: 31, green: 32, yellow: 33 } as const

export type Colour = keyof typeof codes

/** A text that is printable already, in a colour where the stream shows it. */
export const painted = (text: string, colour: Colour, stream: Stream): string =>
  canColour(stream) ? `\u001b[${codes[colour]}m${text}\u001b[39m` : text

/** The colour of a line by what it says. */
export const colourOf = (line: string): Colour | undefined => (line.startsWith("warning: ") ? "yellow" : undefined)

/** What was to be printed did not arrive. Exported, since the declarations of commands name it. */
export class OutputError extends Schema.TaggedError<OutputError>()("OutputError", {
  stream: Schema.Literals(["stdout", "stderr"]),
  reason: Schema.String,
  /** the reader of a pipe has left, as `head` does when it has its lines: it wants no more, and nothing is wrong */
  left: Schema.Boolean
}) {
  // the command line says it itself
  override readonly [Runtime.errorReported] = false
  override get message() {
    return `${this.stream} cannot be written: ${this.reason}; its output is incomplete`
  }
}

// Node and Bun call back with a code; Deno throws for files
const outputError = (stream: "stdout" | "stderr", cause: unknown): OutputError => {
  const { code, message } = cause as NodeJS.ErrnoException
  const left = code === "EPIPE" || code === "ERR_STREAM_DESTROYED"
  return new OutputError({ stream, left, reason: systemReason(cause) ?? message })
}

/** Without a listener an error of a stream ends the process; those who write hear of it in the callback. */
const listened = (stream: "stdout" | "stderr"): NodeJS.WriteStream => {
  const own = process[stream]
  if (own.listenerCount("error") === 0) own.on("error", () => {})
  return own
}

/** Whether a line on the terminal has no end: progress that goes on in the same place. */
let unended = false

/** To the beginning of the line, which is emptied. */
const ERASE = "\r\u001b[2K"

/** Takes that line away, before something else is written. */
const withoutLive = () => {
  if (!unended) return
  unended = false
  toScreen(ERASE)
}

const toScreen = (text: string) => {
  try {
    listened("stderr").write(text)
  } catch {
    // Deno, on a full device
  }
}

let leaves = false

/** Ends when the text is out, or the reader of a pipe has made room for it. */
const write = (stream: "stdout" | "stderr", text: string): Effect.Effect<void, OutputError> =>
  Effect.callback((resume) => {
    withoutLive()
    const done = (error?: unknown) =>
      resume(error === undefined || error === null ? Effect.void : Effect.fail(outputError(stream, error)))
    try {
      listened(stream).write(text, done)
    } catch (error) {
      done(error)
    }
  })

/** A part of a result that is a text from outside, such as what a model writes. */
export const writeResult = (text: string): Effect.Effect<void, OutputError> =>
  Effect.suspend(() => write("stdout", process.stdout.isTTY === true ? printable(text) : text))

/** The same as a line. */
export const printResult = (text: string): Effect.Effect<void, OutputError> => writeResult(`${text}\n`)

/** A report in our words, on stdout. */
export const print = (text: string): Effect.Effect<void, OutputError> => write("stdout", `${printable(text)}\n`)

/** A report in which the text from outside has its escapes already, and there are colours of ours. */
export const printColoured = (text: string): Effect.Effect<void, OutputError> => write("stdout", `${text}\n`)

export const printJson = (value: unknown): Effect.Effect<void, OutputError> => print(JSON.stringify(value))

/** A part of the result that is on stderr because another part is on stdout. */
export const printBeside = (text: string): Effect.Effect<void, OutputError> => write("stderr", `${printable(text)}\n`)

/** stderr for progress: what does not arrive is lost, and no run ends for it. */
export const screen = {
  /** whether lines can be written over */
  get isTTY(): boolean {
    return canMove("stderr")
  },
  get columns(): number {
    return process.stderr.columns
  },
  write: (text: string): void => {
    if (!text.startsWith("\r")) withoutLive()
    unended = !text.endsWith("\n")
    if (unended && !leaves) process.on("exit", withoutLive)
    leaves ||= unended
    toScreen(text)
  },
  paint: (text: string, colour: Colour): string => painted(text, colour, "stderr")
}

/** A refusal, before the process ends with a code: written when this returns, if it can be. */
export const refuse = (text: string): void => {
  withoutLive()
  try {
    console.error(text)
  } catch {
    // Deno, on a full device; the code says it
  }
}

const colour = /(\p{Cc}\[[\d;]*m)/u

/** The library has colours, by what stdout is, and repeats arguments, which may be names of files. */
const shown = (text: string): string =>
  text
    .split(colour)
    .map((part, i) => (i % 2 === 1 && part.startsWith("\u001b") ? (canColour("stderr") ? part : "") : printable(part)))
    .join("")

/** The console of the command-line library, which prints help and refusals, these without passwords in URLs; `arrived` fails, and says so, where help did not arrive. */
export const libraryConsole = (): {
  readonly service: Console.Console
  readonly arrived: Effect.Effect<void, OutputError>
} => {
  const writes: Array<Promise<Exit.Exit<void, OutputError>>> = []
  return {
    service: {
      ...globalThis.console,
      log: (...values) => void writes.push(Effect.runPromiseExit(write("stdout", `${format(...values)}\n`))),
      error: (...values) => refuse(shown(withoutSecretsIn(format(...values))))
    },
    arrived: Effect.flatMap(
      Effect.promise(() => Promise.all(writes)),
      (exits) => Effect.forEach(exits, (exit) => exit, { discard: true })
    ).pipe(
      Effect.catchIf(
        ({ left }) => left,
        () => Effect.void
      ),
      Effect.tapError(({ message }) => Effect.sync(() => refuse(`\nERROR\n  ${message}`)))
    )
  }
}

/** Something beside the result, on stderr. */
export const tell = (text: string): Effect.Effect<void> => Effect.sync(() => screen.write(`${printable(text)}\n`))

const sizeOf = (bytes: number): string =>
  bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`

/** Files and their sizes, as lines of a result. */
export const sizeLines = (
  files: ReadonlyArray<{ readonly name: string; readonly bytes: number }>
): ReadonlyArray<string> => {
  const width = Math.max(...files.map(({ name }) => name.length))
  return files.map(({ name, bytes }) => `  ${name.padEnd(width)}  ${sizeOf(bytes)}`)
}

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
