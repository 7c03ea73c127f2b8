/** Commands as processes of their own: each the leader of a session with its words in a file, so that it continues when the studio is closed. */
import { spawn } from "node:child_process"
import { closeSync, openSync } from "node:fs"
import { readFile } from "node:fs/promises"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import { isGone, isIdentified, ownerIn, type ProcessOwner, readTextFile } from "../../files/index.ts"
import type { Plot } from "../protocol/index.ts"
import { RunRefused } from "../runs/index.ts"

/** This program's command line, without a verb. */
export interface OwnCommand {
  readonly runtime: string
  readonly args: ReadonlyArray<string>
  readonly env: Readonly<Record<string, string | undefined>>
}

/** How a process ended. */
export interface Ended {
  readonly code: number | null
  readonly signal: string | null
}

interface Detached {
  /** stderr, and stdout where it has no file of its own */
  readonly log: string
  readonly stdout?: string
  /** what is in the log is kept */
  readonly goesOn: boolean
  readonly ended: (how: Ended) => void
}

/** Children of this process without an exit event yet, and the time since which they are known to be gone. */
const unreported = new Map<number, number | undefined>()
/** maximum delay of an exit event, in ms */
const DELAY = 5_000

/** Starts the command line with these words. Returns its process id; undefined: it could not be started, and `ended` is called. */
export const startDetached = (
  { runtime, args, env }: OwnCommand,
  words: ReadonlyArray<string>,
  { log, stdout, goesOn, ended }: Detached
): Effect.Effect<number | undefined> =>
  Effect.sync(() => {
    const error = openSync(log, goesOn ? "a" : "w")
    const out = stdout === undefined ? error : openSync(stdout, "w")
    try {
      const child = spawn(runtime, [...args, ...words], {
        env: { ...env },
        stdio: ["ignore", out, error],
        detached: true
      })
      const { pid } = child
      child.unref()
      if (pid !== undefined) unreported.set(pid, undefined)
      const end = (how: Ended) => {
        ended(how)
        if (pid !== undefined) unreported.delete(pid)
      }
      child.on("error", () => end({ code: null, signal: null }))
      child.on("exit", (code, signal) => end({ code, signal }))
      return pid
    } finally {
      closeSync(error)
      if (out !== error) closeSync(out)
    }
  })

/** Whether the exit event of a child that is gone is still to come. */
const isToBeTold = (pid: number): boolean => {
  if (!unreported.has(pid)) return false
  const since = unreported.get(pid) ?? Date.now()
  unreported.set(pid, since)
  return Date.now() - since < DELAY
}

/**
 * Without waiting for a process that is about to end: the next look will see it. A child is alive until it is known how it ended: a moment
 * before, nothing says whether it was killed or had come to its end.
 */
export const isAlive = (owner: ProcessOwner): Effect.Effect<boolean, never, FileSystem.FileSystem> =>
  Effect.map(
    Effect.timeoutOption(isGone(owner), "20 millis"),
    (result) => result._tag === "None" || !result.value || isToBeTold(owner.pid)
  )

/** The process that the studio started for a run or a study, where it is alive. */
export const startedProcess = (started: { readonly owner?: ProcessOwner; readonly exit?: Ended } | undefined) =>
  Effect.gen(function* () {
    const { owner, exit } = started ?? {}
    return owner !== undefined && exit === undefined && (yield* isAlive(owner)) ? owner : undefined
  })

/** A lock has less. */
const LOCK_BYTES = 4_096

/** The living process that has locked a folder. A lock that may have come with its folder, and names a process by chance, does not count. */
export const lockedBy = (folder: string): Effect.Effect<ProcessOwner | undefined, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const text = yield* readTextFile(`${folder}/lock`, LOCK_BYTES).pipe(Effect.orElseSucceed(() => ""))
    const owner = ownerIn(text)
    return owner !== undefined && (yield* isIdentified(owner)) && (yield* isAlive(owner)) ? owner : undefined
  })

/** Why nothing is signalled where no process of the studio's own writes a folder: a lock alone, which is a file in it, stops no process. */
export const startedElsewhere = (id: string): Effect.Effect<never, RunRefused, FileSystem.FileSystem> =>
  Effect.flatMap(lockedBy(id), (owner) =>
    Effect.fail(
      new RunRefused({
        id,
        reason:
          owner === undefined
            ? "is not running"
            : `was not started in the studio: stop it with Ctrl-C in its terminal (process ${owner.pid})`
      })
    )
  )

/** of a log, where a command that failed says why */
export const LAST_LINES = 12

/** Exit code of a command that was asked to stop. */
export const INTERRUPTED = 130

/** What a log says of its command's failure: what comes after the last ERROR, or its last lines. */
export const failureSaid = (log: string): Effect.Effect<string | null, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const text = yield* readTextFile(log).pipe(Effect.orElseSucceed(() => ""))
    const lines = text.trimEnd().split("\n")
    const error = lines.findLastIndex((line) => /^\s*ERROR\b/.test(line))
    const message = lines
      .slice(error < 0 ? -LAST_LINES : error)
      .map((line) => line.replace(/^\s*ERROR\s*/, "").trim())
      .filter((line) => line !== "")
      .join("\n")
    return message === "" ? null : message
  })

/** Resident megabytes; undefined: the system does not say. */
const megabytesOf = (pid: number): Effect.Effect<number | undefined> =>
  Effect.promise(async () => {
    if (process.platform === "linux") {
      const text = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "")
      const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(text)?.[1]
      return kilobytes === undefined ? undefined : Number(kilobytes) / 1_000
    }
    return new Promise((resolve) => {
      const ps = spawn("ps", ["-o", "rss=", "-p", `${pid}`], { stdio: ["ignore", "pipe", "ignore"] })
      let text = ""
      ps.stdout.on("data", (chunk) => {
        text += chunk
      })
      ps.on("error", () => resolve(undefined))
      ps.on("close", () => resolve(/^\s*\d+\s*$/.test(text) ? Number(text) / 1_000 : undefined))
    })
  })

interface Looked {
  readonly steps: Array<number>
  readonly megabytes: Array<number>
}

/** As many as a plot has points. */
const MOST = 1_000

interface MemoryLog {
  /** Looks at the process of a run, which has taken so many steps. */
  readonly look: (id: string, pid: number, step: number) => Effect.Effect<void>
  /** What was seen so far: the most at each step. undefined: nothing was. */
  readonly plot: (id: string) => Plot | undefined
  /** A run of the same name restarts. */
  readonly forget: (id: string) => void
}

/** How much memory the processes of runs hold, looked at while the studio is open, over the steps that they had taken by then. */
export const memoryLog = (): MemoryLog => {
  const all = new Map<string, Looked>()
  const plots = new Map<string, Plot>()
  const add = ({ steps, megabytes }: Looked, step: number, value: number) => {
    const last = steps.length - 1
    if (steps[last] === step) {
      megabytes[last] = Math.max(megabytes[last]!, value)
      return
    }
    // resumed before it
    while (steps.length > 0 && steps.at(-1)! > step) {
      steps.pop()
      megabytes.pop()
    }
    steps.push(step)
    megabytes.push(value)
    if (steps.length <= MOST) return
    // every second one, with the larger of two
    for (let i = 0; 2 * i < steps.length; i++) {
      steps[i] = steps[2 * i]!
      megabytes[i] = Math.max(megabytes[2 * i]!, megabytes[2 * i + 1] ?? 0)
    }
    steps.length = Math.ceil(steps.length / 2)
    megabytes.length = steps.length
  }
  return {
    look: (id, pid, step) =>
      Effect.map(megabytesOf(pid), (megabytes) => {
        if (megabytes === undefined) return
        const samples = all.get(id) ?? { steps: [], megabytes: [] }
        all.set(id, samples)
        add(samples, step, Math.round(megabytes))
        plots.delete(id)
      }),
    plot: (id) => {
      const samples = all.get(id)
      if (samples === undefined) return undefined
      const plot = plots.get(id) ?? {
        id: "memory",
        title: "Process memory",
        unit: "megabytes",
        logarithmic: false,
        x: [...samples.steps],
        series: [{ label: "resident", values: [...samples.megabytes], colour: 0, kind: "line" as const }]
      }
      plots.set(id, plot)
      return plot
    },
    forget: (id) => {
      all.delete(id)
      plots.delete(id)
    }
  }
}
