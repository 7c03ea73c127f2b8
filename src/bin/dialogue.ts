/**
 * Reads a user's messages: lines of a pipe or a file, or text typed or pasted on a terminal.
 *
 * On a terminal readline reads key by key: the kernel's own lines end at 4096 bytes, and the rest of a longer paste is lost. Lines that
 * arrive together were pasted, and form one message.
 */
import { createInterface } from "node:readline"
import { Readable } from "node:stream"
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { limit, messageOf, overLimit } from "../boundary/index.ts"

/**
 * Streams the lines of stdin as they arrive. Opens stdin on demand: readline drops lines, and the end, that arrive before there is a
 * listener.
 */
const stdinLines: Stream.Stream<string, { readonly message: string }> = Stream.suspend(() => {
  const input = Readable.from(withEnds(process.stdin), { objectMode: false })
  return Stream.fromAsyncIterable(createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY }), messageOf)
}).pipe(Stream.mapError((reason) => ({ message: `stdin cannot be read: ${reason}` })))

/** Checks whether texts come from stdin: there are no arguments, or "-". */
export const readsStdin = (texts: ReadonlyArray<string>): boolean =>
  texts.length === 0 || (texts.length === 1 && texts[0] === "-")

/** Streams the texts in the arguments, or those of stdin. */
export const textsGiven = (texts: ReadonlyArray<string>): Stream.Stream<string, { readonly message: string }> =>
  readsStdin(texts) ? stdinLines : Stream.fromIterable(texts)

/** Checks the length of lines: readline keeps incomplete ones in memory. */
async function* withEnds(input: AsyncIterable<Uint8Array>) {
  let unended = 0
  for await (const bytes of input) {
    const end = bytes.lastIndexOf(lineFeed)
    unended = end < 0 ? unended + bytes.length : bytes.length - end - 1
    if (unended > limit("row-bytes")) throw new Error(`a line is longer than ${overLimit("row-bytes")}`)
    yield bytes
  }
}

const lineFeed = 10

export interface Dialogue {
  /** whether a person is at the terminal, who can correct an invalid message */
  readonly typed: boolean
  /** messages, never empty */
  readonly messages: Stream.Stream<string, { readonly message: string }>
  /** Prints the prompt. */
  readonly ask: Effect.Effect<void>
  /** Completes when Ctrl-C is pressed. Unless this is awaited, Ctrl-C ends the program. */
  readonly stopped: Effect.Effect<void>
}

/** Maximum milliseconds between the lines of a paste. */
const PASTE = 50

export const dialogue: Effect.Effect<Dialogue, never, Scope.Scope> = Effect.suspend(() =>
  process.stdin.isTTY === true && process.stderr.isTTY === true
    ? onTerminal
    : Effect.succeed({
        typed: false,
        messages: Stream.filter(stdinLines, (line) => line.trim() !== ""),
        ask: Effect.void,
        stopped: Effect.never
      })
)

const onTerminal: Effect.Effect<Dialogue, never, Scope.Scope> = Effect.gen(function* () {
  const messages = yield* Queue.unbounded<string, Cause.Done>()
  const lines = yield* Effect.acquireRelease(
    Effect.sync(() => createInterface({ input: process.stdin, output: process.stderr, terminal: true, prompt: "> " })),
    (lines) => Effect.sync(() => lines.close())
  )
  let waiting: Array<string> = []
  let due: ReturnType<typeof setTimeout> | undefined
  const say = () => {
    // the last line of a paste may have no line end yet: Return completes it
    if (lines.line !== "") return
    const message = waiting.join("\n")
    waiting = []
    if (message.trim() === "") lines.prompt()
    else Queue.offerUnsafe(messages, message)
  }
  lines.on("line", (line) => {
    waiting.push(line)
    clearTimeout(due)
    due = setTimeout(say, PASTE)
  })
  lines.on("close", () => {
    clearTimeout(due)
    if (waiting.join("").trim() !== "") Queue.offerUnsafe(messages, waiting.join("\n"))
    Queue.endUnsafe(messages)
  })
  lines.on("SIGINT", () => {
    if (lines.listenerCount("SIGINT") === 1) process.kill(process.pid, "SIGINT")
  })
  return {
    typed: true,
    messages: Stream.fromQueue(messages),
    ask: Effect.sync(() => lines.prompt()),
    stopped: Effect.callback<void>((resume) => {
      const stop = () => resume(Effect.void)
      lines.once("SIGINT", stop)
      return Effect.sync(() => void lines.off("SIGINT", stop))
    })
  }
})
