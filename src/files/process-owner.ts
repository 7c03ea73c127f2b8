/**
 * Identifies the process that a lock file names, and checks whether it still runs. A process id is not sufficient: a killed process keeps
 * its id as a zombie until its parent collects it, and in a restarted container another process soon has the same id. So an owner
 * consists of a process id, the start time of the process, and the boot of the machine.
 *
 * Linux reports both in /proc, macOS the time by `ps`. On other systems an owner is a process id only: a process that reuses the id of a
 * dead one is mistaken for it, as is one in a lock of an earlier version. Two containers of one host name that share a folder do not see
 * each other's processes, and each considers the other's dead.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Schema from "effect/Schema"
import { hostname, ownNumber, ownSystem } from "./own-process.ts"

export const ProcessOwner = Schema.Struct({
  pid: Schema.Int.check(Schema.isGreaterThan(0)),
  host: Schema.String,
  /** start time, in the system's format */
  started: Schema.optionalKey(Schema.String),
  /** boot id of the machine */
  boot: Schema.optionalKey(Schema.String)
})
export type ProcessOwner = typeof ProcessOwner.Type

/** Parses the owner from the text of a lock file. Returns undefined if it is incomplete or was not written by this package. */
export const ownerIn = (text: string): ProcessOwner | undefined => {
  const owner = Schema.decodeUnknownResult(Schema.fromJsonString(ProcessOwner))(text)
  return owner._tag === "Success" ? owner.success : undefined
}

let thisOwner: ProcessOwner | undefined

/** The owner that identifies this process. */
export const thisProcess: Effect.Effect<ProcessOwner, never, FileSystem.FileSystem> = Effect.gen(function* () {
  if (thisOwner !== undefined) return thisOwner
  if (ownSystem === undefined) return { pid: ownNumber, host: hostname() }
  const { started } = yield* look(ownNumber)
  const boot = yield* textOf("/proc/sys/kernel/random/boot_id")
  thisOwner = {
    pid: ownNumber,
    host: hostname(),
    ...(started === undefined ? {} : { started }),
    ...(boot === undefined ? {} : { boot: boot.trim() })
  }
  return thisOwner
})

/** Returns the owner of another process of this machine. */
export const ownerOf = (pid: number): Effect.Effect<ProcessOwner, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const { started: _, ...machine } = yield* thisProcess
    const { started } = yield* look(pid)
    return { ...machine, pid, ...(started === undefined ? {} : { started }) }
  })

/** Checks whether an owner is of this host and has all fields that this system can provide, which a file from elsewhere cannot know. */
export const isIdentified = (owner: ProcessOwner): Effect.Effect<boolean, never, FileSystem.FileSystem> =>
  Effect.map(
    thisProcess,
    ({ host, started, boot }) =>
      owner.host === host &&
      (started === undefined || owner.started !== undefined) &&
      (boot === undefined || owner.boot !== undefined)
  )

/** Milliseconds that a killed process may take to release its memory: 3 GB take half a second. */
const PATIENCE = 10_000
const PAUSE = 50

/**
 * Checks whether the process of an owner no longer runs. Returns false for another host, and if the state is unknown. Waits
 * for a process that is about to end.
 */
export const isGone = (owner: ProcessOwner): Effect.Effect<boolean, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const { host, boot } = yield* thisProcess
    if (owner.host !== host) return false
    if (differ(owner.boot, boot)) return true
    for (let waited = 0; exists(owner.pid); waited += PAUSE) {
      const { state, started } = yield* look(owner.pid)
      if (state === "dead" || differ(owner.started, started)) return true
      // while it ends, a killed process may briefly look like a running one, or end before it is inspected
      if (waited >= (state === "running" ? PAUSE : PATIENCE)) return false
      yield* Effect.sleep(PAUSE)
    }
    return true
  })

const differ = (a: string | undefined, b: string | undefined) => a !== undefined && b !== undefined && a !== b

const exists = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // it exists and belongs to another user
    return (error as { readonly code?: string }).code === "EPERM"
  }
}

interface Seen {
  /** "ending": it was killed, and is releasing its memory or in its last write */
  readonly state: "running" | "ending" | "dead"
  readonly started?: string
}

/** Returns the system's information about an existing process. */
const look = (pid: number): Effect.Effect<Seen, never, FileSystem.FileSystem> =>
  process.platform === "darwin"
    ? Effect.sync(() => lookOnMac(pid))
    : Effect.map(textOf(`/proc/${pid}/stat`), (text) => (text === undefined ? { state: "running" } : seenIn(text)))

const textOf = (file: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    return yield* fs.readFileString(file)
  }).pipe(Effect.orElseSucceed(() => undefined))

/** PF_EXITING of the kernel's sched.h */
const EXITING = 1 << 2
const SIGKILL = 9

/**
 * Parses a line of /proc/<pid>/stat: `4711 (a name) S 1 …`. The name may have spaces and parentheses, so fields are counted after its
 * closing parenthesis: the state is field 3 of the line, the flags 9, the number of threads 20, the start time in ticks since boot 22,
 * pending signals 31, and the signal that ends the process 52, if the reader may see it.
 *
 * @see https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
 */
export const seenIn = (line: string): Seen => {
  const fields = line.slice(line.lastIndexOf(")") + 2).split(" ")
  const field = (number: number) => fields[number - 3]
  const started = field(22)
  if (started === undefined) return { state: "running" }
  const ended = /^[ZXx]$/.test(field(3)!)
  if (ended && Number(field(20)) <= 1) return { state: "dead", started }
  const killed = (Number(field(31)) & (1 << (SIGKILL - 1))) !== 0 || (Number(field(52)) & 0x7f) === SIGKILL
  const ending = ended || killed || (Number(field(9)) & EXITING) !== 0
  return { state: ending ? "ending" : "running", started }
}

/** `ps` formats times by the language and time zone of its caller. */
const lookOnMac = (pid: number): Seen => {
  const { spawnSync } = process.getBuiltinModule("node:child_process")
  const env = { ...process.env, LC_ALL: "C", TZ: "UTC" }
  const { stdout } = spawnSync("ps", ["-o", "state=,lstart=", "-p", String(pid)], { env, encoding: "utf8" })
  const [, state, started] = /^\s*(\S+)\s+(\S.*?)\s*$/m.exec(stdout ?? "") ?? []
  if (state === undefined || started === undefined) return { state: "running" }
  return { state: state.startsWith("Z") ? "dead" : "running", started }
}
