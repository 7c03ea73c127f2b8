/** Commands as processes of their own: each the leader of a session with its words in a file, so that it goes on when the studio is closed. */
import { spawn } from "node:child_process"
import { closeSync, openSync } from "node:fs"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import { isGone, isIdentified, ownerIn, type ProcessOwner, readTextFile } from "../../files/index.ts"
import { RunRefused } from "../runs/index.ts"

/** How the command line is started again, without its verb. */
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

/** Children of this process of whose end it was not told yet, and since when they are known to be gone. */
const untold = new Map<number, number | undefined>()
/** milliseconds that it takes to be told, at most */
const TOLD = 5_000

/** Starts the command line with these words. Its number; undefined: it could not be started, which `ended` is told. */
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
      if (pid !== undefined) untold.set(pid, undefined)
      const end = (how: Ended) => {
        ended(how)
        if (pid !== undefined) untold.delete(pid)
      }
      child.on("error", () => end({ code: null, signal: null }))
      child.on("exit", (code, signal) => end({ code, signal }))
      return pid
    } finally {
      closeSync(error)
      if (out !== error) closeSync(out)
    }
  })

/** Whether this process is soon to be told how a child of it has ended, which is gone. */
const isToBeTold = (pid: number): boolean => {
  if (!untold.has(pid)) return false
  const since = untold.get(pid) ?? Date.now()
  untold.set(pid, since)
  return Date.now() - since < TOLD
}

/**
 * Without waiting for a process that is about to end: the next look will see it. A child is alive until it is known how it ended: a moment
 * before, nothing says whether it was killed or had come to its end.
 */
export const isAlive = (owner: ProcessOwner): Effect.Effect<boolean, never, FileSystem.FileSystem> =>
  Effect.map(
    Effect.timeoutOption(isGone(owner), "20 millis"),
    (gone) => gone._tag === "None" || !gone.value || isToBeTold(owner.pid)
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
            ? "is not under way"
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
    const said = lines
      .slice(error < 0 ? -LAST_LINES : error)
      .map((line) => line.replace(/^\s*ERROR\s*/, "").trim())
      .filter((line) => line !== "")
      .join("\n")
    return said === "" ? null : said
  })
