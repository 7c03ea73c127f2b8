/**
 * Output of commands. Results go to stdout, and a command fails if they cannot be written; other messages go to stderr, and the
 * command continues if they cannot be written.
 *
 * A terminal executes control characters, so text from outside is escaped: in all messages, and in results on
 * a terminal. Results to a pipe or a file are not escaped. JSON has its own escapes, and means the same either way.
 */
import { format } from "node:util"
import type * as Console from "effect/Console"
import { CliError } from "effect/cli"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import { byteSize, cutLines, listed, printable, withoutSecretsIn } from "../boundary/index.ts"
import { systemReason } from "../files/platform-reason.ts"

/**
 * Colours: errors are red (by the command-line library), warnings
 * yellow, gains green. `NO_COLOR` disables them, `FORCE_COLOR` enables them without a terminal, `TERM=dumb` disables them everywhere.
 */
type Stream = "stdout" | "stderr"

const isTerminal = (stream: Stream): boolean => process[stream].isTTY === true && process.env["TERM"] !== "dumb"

/** Checks whether a line can be overwritten. */
const canMove = (stream: Stream): boolean => isTerminal(stream)

export const canColour = (stream: Stream): boolean => {
  const { TERM, NO_COLOR = "", FORCE_COLOR = "" } = process.env
  if (TERM === "dumb" || NO_COLOR !== "") return false
  return (FORCE_COLOR !== "" && FORCE_COLOR !== "0" && FORCE_COLOR !== "false") || isTerminal(stream)
}

const codes = { red: 31, green: 32, yellow: 33 } as const

export type Colour = keyof typeof codes

/** Colours a printable text if the stream supports it. */
export const painted = (text: string, colour: Colour, stream: Stream): string =>
  canColour(stream) ? `\u001b[${codes[colour]}m${text}\u001b[39m` : text

/** Returns the colour of a line by its content. */
export const colourOf = (line: string): Colour | undefined => (line.startsWith("warning: ") ? "yellow" : undefined)

/** Output that could not be written. Exported, since declarations of commands refer to it. */
export class OutputError extends Schema.TaggedError<OutputError>()("OutputError", {
  stream: Schema.Literals(["stdout", "stderr"]),
  reason: Schema.String,
  /** whether the reader of a pipe has closed it, as `head` does after its lines, which is not an error */
  left: Schema.Boolean
}) {
  // this program reports the error itself
  override readonly [Runtime.errorReported] = false
  override get message() {
    return `cannot write to ${this.stream}: ${this.reason}; the output is incomplete`
  }
}

// Node and Bun call back with a code; Deno throws for files
const outputError = (stream: "stdout" | "stderr", cause: unknown): OutputError => {
  const { code, message } = cause as NodeJS.ErrnoException
  const isClosed = code === "EPIPE" || code === "ERR_STREAM_DESTROYED"
  return new OutputError({ stream, left: isClosed, reason: systemReason(cause) ?? message })
}

/** Adds a listener, without which an error of a stream ends the process; callers get the error in the callback. */
const listened = (stream: "stdout" | "stderr"): NodeJS.WriteStream => {
  const output = process[stream]
  if (output.listenerCount("error") === 0) output.on("error", () => {})
  return output
}

/** Whether the current line on the terminal is incomplete: progress that is updated in place. */
let unended = false

/** Moves to the beginning of the line and clears it. */
const ERASE = "\r\u001b[2K"

/** Removes that line before other output. */
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

/** Completes when the text is written, or the reader of a pipe has space for it. */
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

/** Prints a part of a result that is text from outside, such as model output. */
export const writeResult = (text: string): Effect.Effect<void, OutputError> =>
  Effect.suspend(() => write("stdout", process.stdout.isTTY === true ? printable(text) : text))

/** Prints text from outside as a line of a result. */
export const printResult = (text: string): Effect.Effect<void, OutputError> => writeResult(`${text}\n`)

/** Prints a report in this program's own words to stdout. */
export const print = (text: string): Effect.Effect<void, OutputError> => write("stdout", `${printable(text)}\n`)

/** Prints a report that is already escaped and coloured. */
export const printColoured = (text: string): Effect.Effect<void, OutputError> => write("stdout", `${text}\n`)

export const printJson = (value: unknown): Effect.Effect<void, OutputError> => print(JSON.stringify(value))

/** Prints a part of the result to stderr, since another part is on stdout. */
export const printBeside = (text: string): Effect.Effect<void, OutputError> => write("stderr", `${printable(text)}\n`)

/** stderr for progress: output that cannot be written is lost, without ending a run. */
export const screen = {
  /** whether lines can be overwritten */
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

/** Prints an error before the process exits with a code; written when this returns, if possible. */
export const refuse = (text: string): void => {
  withoutLive()
  try {
    console.error(text)
  } catch {
    // Deno, on a full device; the exit code reports it
  }
}

const colour = /(\p{Cc}\[[\d;]*m)/u

/** Escapes text of the command-line library except its colours, which depend on stdout. It repeats arguments, which may be file names. */
const safeText = (text: string): string =>
  text
    .split(colour)
    .map((part, i) => (i % 2 === 1 && part.startsWith("\u001b") ? (canColour("stderr") ? part : "") : printable(part)))
    .join("")

/**
 * Returns the console of the command-line library, which prints help and errors (without passwords in URLs). `arrived` fails if help could
 * not be written.
 */
export const libraryConsole = (): {
  readonly service: Console.Console
  readonly arrived: Effect.Effect<void, OutputError>
} => {
  const writes: Array<Promise<Exit.Exit<void, OutputError>>> = []
  return {
    service: {
      ...globalThis.console,
      log: (...values) => void writes.push(Effect.runPromiseExit(write("stdout", `${format(...values)}\n`))),
      error: (...values) => refuse(safeText(withoutSecretsIn(format(...values))))
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

/** Prints a message in addition to the result, on stderr. */
export const tell = (text: string): Effect.Effect<void> => Effect.sync(() => screen.write(`${printable(text)}\n`))

/** Prints files and their sizes as lines of a result. */
export const sizeLines = (
  files: ReadonlyArray<{ readonly name: string; readonly bytes: number }>
): ReadonlyArray<string> => {
  const width = Math.max(...files.map(({ name }) => name.length))
  return files.map(({ name, bytes }) => `  ${name.padEnd(width)}  ${byteSize(bytes)}`)
}

/** Maximum lines of an error: errors list 20 entries of each kind; longer ones are truncated. */
const mostLines = 100

/**
 * Creates a message for stderr, with escaped quotes from outside. Indents its lines alike: the command line only indents the
 * first.
 */
export const userError = (message: string, cause: unknown = new Error(message)): CliError.UserError => {
  const lines = listed(cutLines(message).split("\n"), mostLines)
  return new CliError.UserError({ cause, userMessage: printable(lines.join("\n  ")) })
}

const readerLeft = (error: unknown): boolean => error instanceof OutputError && error.left

/** Reports every failure of a command by its `message`. If the reader of a pipe has closed it, the command has succeeded. */
export const reported = <E extends { readonly message: string }, R>(
  effect: Effect.Effect<void, E, R>
): Effect.Effect<void, CliError.CliError, R> =>
  effect.pipe(
    Effect.catchIf(readerLeft, () => Effect.void),
    Effect.mapError((error) => (CliError.isCliError(error) ? error : userError(error.message, error)))
  )
