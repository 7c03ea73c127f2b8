/**
 * The command line, started again as a process of its own: a trial (`train`) or a worker (`compare --worker`).
 *
 * Each is the leader of its own process group, so that Ctrl-C in a terminal reaches the coordinator alone, and every process below it is
 * signalled once: a second signal means "leave at once", unsaved.
 */
import * as Effect from "effect/Effect"
import * as ChildProcess from "effect/process/ChildProcess"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as Stream from "effect/Stream"
import { PARENT } from "./parent-watch.ts"

/** How this program is started again: the runtime and the arguments before the verb. */
export interface Program {
  readonly runtime: string
  readonly args: ReadonlyArray<string>
}

/** The program that is running. */
export const ownProgram = (): Program => {
  const script = process.argv[1]!
  return { runtime: process.execPath, args: "Deno" in globalThis ? ["run", "-A", script] : [script] }
}

export interface Ended {
  /** null: by a signal */
  readonly code: number | null
  readonly stdout: string
  /** its last lines */
  readonly stderr: ReadonlyArray<string>
}

const KEPT_LINES = 20

/**
 * Runs the program with these arguments to its end. An interruption ends it with one SIGTERM and waits until it is gone: a run saves
 * its state first. `onLine` is called with each line of stderr.
 */
export const runOwn = (
  { runtime, args: before }: Program,
  args: ReadonlyArray<string>,
  onLine: (line: string) => Effect.Effect<void>,
  env: Readonly<Record<string, string>> = {}
) =>
  Effect.gen(function* () {
    const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
    const handle = yield* spawner.spawn(
      ChildProcess.make(runtime, [...before, ...args], {
        env: { ...env, [PARENT]: String(process.pid) },
        extendEnv: true,
        stdin: "ignore"
      })
    )
    const kept: Array<string> = []
    const lines = handle.stderr.pipe(
      Stream.decodeText(),
      Stream.splitLines,
      Stream.runForEach((line) => {
        kept.push(line)
        if (kept.length > KEPT_LINES) kept.shift()
        return onLine(line)
      })
    )
    const text = handle.stdout.pipe(Stream.decodeText(), Stream.mkString)
    // a signal's end is a failure of `exitCode`; the streams end with the process either way
    const code = Effect.match(handle.exitCode, { onSuccess: Number, onFailure: () => null })
    const [stdout, , ended] = yield* Effect.all([text, lines, code], { concurrency: "unbounded" })
    return { code: ended, stdout, stderr: kept } satisfies Ended
  }).pipe(Effect.scoped)
