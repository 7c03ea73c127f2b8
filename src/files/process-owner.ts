/**
 * Which process a lock file names, and whether that process is gone. A number alone does not say: a process that was killed keeps its
 * number as a zombie until its parent asks for it, and in a container started again another process soon has the same number. So an owner
 * is a number, when the process began, and which boot of the machine that was.
 *
 * Linux says both in /proc, macOS says the time by `ps`. Elsewhere an owner is its number alone: a process that has the number of a dead
 * one is taken for it there, and so it is in a lock of an earlier version. Two containers of one host name that share a folder do not see
 * each other's processes, and each takes the other's for gone.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Schema from "effect/Schema"
import { hostname, ownNumber, ownSystem } from "./own-process.ts"

export const ProcessOwner = Schema.Struct({
  pid: Schema.Int.check(Schema.isGreaterThan(0)),
  host: Schema.String,
  /** when it began, as its system writes that */
  started: Schema.optionalKey(Schema.String),
  /** of the machine */
  boot: Schema.optionalKey(Schema.String)
})
export type ProcessOwner = typeof ProcessOwner.Type

/** The owner that a lock file's text names; undefined where it is half-written, or not by this package. */
export const ownerIn = (text: string): ProcessOwner | undefined => {
  const owner = Schema.decodeUnknownResult(Schema.fromJsonString(ProcessOwner))(text)
  return owner._tag === "Success" ? owner.success : undefined
}

let own: ProcessOwner | undefined

/** This process. */
export const thisProcess: Effect.Effect<ProcessOwner, never, FileSystem.FileSystem> = Effect.gen(function* () {
  if (own !== undefined) return own
  if (ownSystem === undefined) return { pid: ownNumber, host: hostname() }
  const { started } = yield* look(ownNumber)
  const boot = yield* textOf("/proc/sys/kernel/random/boot_id")
  own = {
    pid: ownNumber,
    host: hostname(),
    ...(started === undefined ? {} : { started }),
    ...(boot === undefined ? {} : { boot: boot.trim() })
  }
  return own
})

/** Another process of this machine. */
export const ownerOf = (pid: number): Effect.Effect<ProcessOwner, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const { started: _, ...machine } = yield* thisProcess
    const { started } = yield* look(pid)
    return { ...machine, pid, ...(started === undefined ? {} : { started }) }
  })

/** Whether an owner is of this host and says as much of itself as this system can: what a file that came from elsewhere cannot know. */
export const isIdentified = (owner: ProcessOwner): Effect.Effect<boolean, never, FileSystem.FileSystem> =>
  Effect.map(
    thisProcess,
    ({ host, started, boot }) =>
      owner.host === host &&
      (started === undefined || owner.started !== undefined) &&
      (boot === undefined || owner.boot !== undefined)
  )

/** Milliseconds that a killed process may take to give its memory back: it needs half a second for 3 GB. */
const PATIENCE = 10_000
const PAUSE = 50

/**
 * Whether an owner will never write again. False for one of another host, which cannot be asked, and where nothing can be learned. Waits
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
      // a killed process may look like a running one between two moments of its end, and may be gone before it is looked at
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
  /** `ending`: it was killed, and gives its memory back or is in its last write */
  readonly state: "running" | "ending" | "dead"
  readonly started?: string
}

/** What the system says of a process that exists. */
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
 * A line of /proc/<pid>/stat: `4711 (a name) S 1 …`. The name may have spaces and parentheses, so that the fields are counted after the
 * last one: the state is the third of the line, the flags are the ninth, the number of threads is the 20th, the start in ticks since the
 * boot the 22nd, signals that wait the 31st, and the signal that ends it the 52nd, where the reader may know.
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

/** `ps` words a time by the language and the time zone of its caller. */
const lookOnMac = (pid: number): Seen => {
  const { spawnSync } = process.getBuiltinModule("node:child_process")
  const env = { ...process.env, LC_ALL: "C", TZ: "UTC" }
  const { stdout } = spawnSync("ps", ["-o", "state=,lstart=", "-p", String(pid)], { env, encoding: "utf8" })
  const [, state, started] = /^\s*(\S+)\s+(\S.*?)\s*$/m.exec(stdout ?? "") ?? []
  if (state === undefined || started === undefined) return { state: "running" }
  return { state: state.startsWith("Z") ? "dead" : "running", started }
}
