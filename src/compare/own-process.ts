/**
 * Starts the command line again as a separate process: a trial (`train`) or a worker (`compare --worker`).
 *
 * Each process leads its own process group, so that Ctrl-C in a terminal reaches only the coordinator, and every process below it is signalled
 * once: a second signal would mean "exit at once", without saving.
 */
import * as Effect from "effect/Effect"
import * as ChildProcess from "effect/process/ChildProcess"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as Stream from "effect/Stream"
import { ANCESTOR, ownName, PARENT } from "./parent-watch.ts"

/** Command that starts this program: the runtime and the arguments before the verb. */
export interface Program {
  readonly runtime: string
  readonly args: ReadonlyArray<string>
  /** whether MPI starts the program as several processes */
  readonly launched?: boolean
}

/** Returns the command of the running program. */
export const ownProgram = (): Program => {
  const script = process.argv[1]!
  return { runtime: process.execPath, args: "Deno" in globalThis ? ["run", "-A", script] : [script] }
}

/** Environment variable with the command that starts several processes, and its flags; default `mpirun`. */
export const LAUNCHER_VARIABLE = "TFJS_LORA_PRO_MPIRUN"

/** Returns the command that starts the program as `ranks` processes of one run. */
export const asRanks = ({ runtime, args }: Program, ranks: number): Program => {
  if (ranks === 1) return { runtime, args }
  const launcherLine = process.env[LAUNCHER_VARIABLE]?.trim() ?? ""
  const [launcher = "mpirun", ...flags] = launcherLine === "" ? [] : launcherLine.split(/\s+/)
  return { runtime: launcher, args: [...flags, "-n", String(ranks), runtime, ...args], launched: true }
}

/**
 * Returns the environment of a process. Below a launcher, the ancestor is in it, since the launcher is the parent; such a process stops
 * with the others after a step, at SIGUSR1.
 */
const environmentOf = (launched: boolean): Readonly<Record<string, string | undefined>> => {
  const { [PARENT]: _, [ANCESTOR]: __, ...environment } = process.env
  return { ...environment, [launched ? ANCESTOR : PARENT]: launched ? ownName() : String(process.pid) }
}

export interface Ended {
  /** exit code; null: ended by a signal */
  readonly code: number | null
  readonly stdout: string
  /** its last lines, at most 20 */
  readonly stderr: ReadonlyArray<string>
}

const KEPT_LINES = 20

/**
 * Runs the program with these arguments and waits for its end. An interruption sends one signal and waits until the process ends, since a run saves
 * its state first. Calls `onLine` with each line of stderr.
 */
export const runOwn = (
  { runtime, args: before, launched = false }: Program,
  args: ReadonlyArray<string>,
  onLine: (line: string) => Effect.Effect<void>,
  env: Readonly<Record<string, string>> = {}
) =>
  Effect.gen(function* () {
    const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
    const handle = yield* spawner.spawn(
      ChildProcess.make(runtime, [...before, ...args], {
        env: { ...environmentOf(launched), ...env },
        extendEnv: false,
        stdin: "ignore",
        ...(launched ? { killSignal: "SIGUSR1" } : {})
      })
    )
    const lastLines: Array<string> = []
    const lines = handle.stderr.pipe(
      Stream.decodeText(),
      Stream.splitLines,
      Stream.runForEach((line) => {
        lastLines.push(line)
        if (lastLines.length > KEPT_LINES) lastLines.shift()
        return onLine(line)
      })
    )
    const text = handle.stdout.pipe(Stream.decodeText(), Stream.mkString)
    // an end by a signal is a failure of `exitCode`; the streams end with the process in any case
    const code = Effect.match(handle.exitCode, { onSuccess: Number, onFailure: () => null })
    const [stdout, , ended] = yield* Effect.all([text, lines, code], { concurrency: "unbounded" })
    return { code: ended, stdout, stderr: lastLines } satisfies Ended
  }).pipe(Effect.scoped)
