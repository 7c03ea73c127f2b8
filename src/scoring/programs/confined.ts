/**
 * Runs each program in a process of its own, which Deno confines: it may read Pyodide's folder, and nothing else: no other file, no network, no
 * environment, no process. Pyodide by itself confines nothing, since Python reaches the runtime through it.
 *
 *   time      the process is killed after `seconds`
 *   memory    V8 limits JavaScript's heap and wasm's memory; a process that grows beyond `megabytes` in any other way is killed
 *   output    read and dropped
 *
 * Python is CPython 3.14 as WebAssembly. It starts once, and its state then is the beginning of every program: 0.3 s instead of three.
 */
import { createRequire } from "node:module"
import os from "node:os"
import process from "node:process"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Path from "effect/Path"
import * as ChildProcess from "effect/process/ChildProcess"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import { byteSize, cut, duration, messageOf } from "../../boundary/index.ts"
import { pathToUrl, programScript, snapshotScript } from "./child.ts"
import { type ProgramOutcome, Programs, ProgramsError } from "./programs.ts"

/** Options for confined programs. */
export interface ConfinedOptions {
  /** seconds for a program, its start included, at least 1; default 15 */
  readonly seconds?: number
  /** memory of a program's process in MB, at least 256; default 1,000 */
  readonly megabytes?: number
  /** programs at a time; default: one per core */
  readonly concurrency?: number
}

/** Files that a process of Python may read, and one of another language need not. */
interface PythonFiles {
  readonly pyodide?: string
  readonly snapshot?: string
}

/** Memory of Deno and an interpreter that does nothing, in MB. */
const OWN_MEGABYTES = 200
/** Most characters of output that are kept to find the verdict in. */
const KEPT = 65_536
const WASM_PAGE = 65_536

/** Where an import of a file leads: to an address that no process may reach. */
const NOWHERE = "https://files.invalid/"

const INSTALL_DENO = "npm install -g deno"
const INSTALL_PYODIDE = "npm install pyodide@314.0.8"

const failed = (reason: string) => new ProgramsError({ reason })

/** Layer of confined programs. Looks for Deno and Pyodide when the first program runs. */
export const confinedPrograms = ({
  seconds = 15,
  megabytes = 1000,
  concurrency = os.availableParallelism()
}: ConfinedOptions = {}) =>
  Layer.effect(
    Programs,
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
      const scope = yield* Effect.scope
      const permits = yield* Semaphore.make(concurrency)
      // Deno keeps compiled modules there
      const cached = yield* Effect.cached(
        fs.makeTempDirectory({ prefix: "programs-" }).pipe(
          Effect.mapError(({ message }) => failed(`a temporary folder cannot be made: ${message}`)),
          Effect.tap((folder) => Scope.addFinalizer(scope, Effect.ignore(fs.remove(folder, { recursive: true }))))
        )
      )
      const deno = (folder: string, files: PythonFiles, script: string) =>
        spawner
          .spawn(
            ChildProcess.make("deno", argumentsOf(megabytes, files), {
              env: { DENO_DIR: folder, DENO_NO_UPDATE_CHECK: "1", NO_COLOR: "1", PATH: process.env["PATH"] },
              extendEnv: false,
              stdin: Stream.make(new TextEncoder().encode(script)),
              stderr: "ignore",
              killSignal: "SIGKILL"
            })
          )
          .pipe(
            Effect.mapError(({ message }) =>
              failed(`programs run confined by Deno, which cannot be started (${cut(message, 200)}); ${INSTALL_DENO}`)
            )
          )

      const python = yield* Effect.cached(
        Effect.gen(function* () {
          const pyodide = yield* Effect.try({
            try: () => `${path.dirname(createRequire(import.meta.url).resolve("pyodide/package.json"))}/`,
            catch: (cause) =>
              failed(
                `Python programs need the package pyodide, which cannot be loaded (${cut(messageOf(cause), 200)}); ${INSTALL_PYODIDE}`
              )
          })
          const real = yield* fs.realPath(pyodide).pipe(
            Effect.map((folder) => `${folder}/`),
            Effect.orDie
          )
          const folder = yield* cached
          const snapshot = path.join(folder, "python")
          const { stdout } = yield* deno(folder, { pyodide: real }, snapshotScript(real))
          yield* Stream.run(stdout, fs.sink(snapshot)).pipe(
            Effect.mapError(({ message }) => failed(`Python cannot be started: ${message}`))
          )
          return { pyodide: real, snapshot }
        }).pipe(Effect.scoped)
      )

      const outcome = (language: Parameters<typeof programScript>[0]["language"], source: string) =>
        Effect.gen(function* () {
          const files = language === "python" ? yield* python : {}
          const nonce = crypto.randomUUID()
          const handle = yield* deno(yield* cached, files, programScript({ language, source, nonce, ...files }))
          const text = handle.stdout.pipe(
            Stream.decodeText(),
            Stream.runFold(
              () => "",
              (kept, more) => (kept + more).slice(-KEPT)
            ),
            Effect.orElseSucceed(() => "")
          )
          const ended = Effect.map(text, (output): ProgramOutcome => verdictIn(output, nonce))
          const limit = (reason: string): ProgramOutcome => ({ passed: false, reason })
          const late = Effect.as(
            Effect.sleep(Duration.seconds(seconds)),
            limit(`it took longer than ${duration(seconds)}`)
          )
          const large = Effect.as(
            grownBeyond(fs, handle.pid, megabytes),
            limit(`it took more than ${byteSize(megabytes * 1e6)}`)
          )
          return yield* Effect.raceFirst(ended, Effect.raceFirst(late, large))
        }).pipe(Effect.scoped)

      return { run: (language, source) => permits.withPermits(1)(outcome(language, source)) }
    })
  )

/**
 * Returns the arguments of a process that may read the files of Python, and nothing else. Deno asks for no permission to read what a module imports
 * by a name that stands in its text, so a map of imports leads every file elsewhere.
 */
const argumentsOf = (megabytes: number, files: PythonFiles): ReadonlyArray<string> => {
  const room = megabytes - OWN_MEGABYTES
  const readable = Object.values(files)
  const pyodide = files.pyodide === undefined ? {} : { [pathToUrl(files.pyodide)]: pathToUrl(files.pyodide) }
  const map = JSON.stringify({ imports: { "file:///": NOWHERE, ...pyodide } })
  return [
    "run",
    ...["--quiet", "--no-prompt", "--no-remote", "--no-npm", "--no-config", "--no-lock", "--ext=js"],
    `--v8-flags=--max-old-space-size=${room},--wasm-max-mem-pages=${Math.floor((room * 1e6) / WASM_PAGE)}`,
    `--import-map=data:application/json,${encodeURIComponent(map)}`,
    ...(readable.length === 0 ? [] : [`--allow-read=${readable.join(",")}`]),
    "-"
  ]
}

/** Finds the verdict in a program's output. */
const verdictIn = (output: string, nonce: string): ProgramOutcome => {
  const [, verdict] = output.split(`\n${nonce} `)
  if (verdict === undefined) return { passed: false, reason: "it ended its process" }
  if (verdict.startsWith("passed\n")) return { passed: true }
  const [, reason] = /^failed (".*")\n/.exec(verdict) ?? []
  // a message may end with places in the program
  const lines = (reason === undefined ? "" : String(JSON.parse(reason)))
    .split("\n")
    .filter((line) => line.trim() !== "" && !/^\s*at \S+:\d+:\d+$/.test(line))
  return { passed: false, reason: cut(lines.at(-1)?.trim() ?? "an error", 200) }
}

/** Ends when a process occupies more memory, and never where the system has no /proc. */
const grownBeyond = (fs: FileSystem.FileSystem, pid: number, megabytes: number): Effect.Effect<void> => {
  const status = fs.readFileString(`/proc/${pid}/status`).pipe(Effect.orElseSucceed(() => ""))
  const isLarge = Effect.map(
    status,
    (text) => Number(/^VmRSS:\s+(\d+) kB/m.exec(text)?.[1] ?? 0) * 1024 > megabytes * 1e6
  )
  return process.platform === "linux"
    ? Effect.repeat(Effect.delay(isLarge, "50 millis"), { until: (large) => large }).pipe(Effect.asVoid)
    : Effect.never
}
