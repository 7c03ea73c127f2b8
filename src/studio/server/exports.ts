/** Ways out of a run, taken: `export RUN --format F` as a process, with what it says, and at last its files. */

import { spawn } from "node:child_process"
import { createInterface } from "node:readline"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import { type FormatName, formatNamed, formatNames } from "../../exports/formats.ts"
import type { Files } from "../../files/index.ts"
import type { Sources } from "../../hub/hub.ts"
import type { Handlers, Reported } from "../engine/index.ts"
import type { ExportEvent, WatchInput } from "../protocol/index.ts"
import { EXPORTS, exportedTo, exportFolder, exportFolders, RunRefused, SIGN_OF_EXPORT } from "../runs/index.ts"
import type { OwnCommand } from "./processes.ts"
import { type Busy, endRemovals, openRemover } from "./removal.ts"

type Asked = WatchInput<"export">

/** A run that did not leave, in the words of the command. */
export class NotExported extends Schema.TaggedError<NotExported>()("NotExported", { message: Schema.String }) {}

/** What `export --json` says at last. */
const Report = Schema.fromJsonString(
  Schema.Struct({
    files: Schema.Array(Schema.Struct({ name: Schema.String, bytes: Schema.Finite })),
    lines: Schema.Array(Schema.String)
  })
)
const Failure = Schema.fromJsonString(Schema.Struct({ ok: Schema.Literal(false), message: Schema.String }))

const isFormat = (name: string): name is FormatName => formatNames.some((own) => own === name)

/** The flags of a format's options; null: it has no such options. */
const flagsOf = ({ format, options }: Asked): ReadonlyArray<string> | null => {
  if (!isFormat(format)) return null
  const own = formatNamed(format).options
  const flags: Array<string> = ["--format", format]
  for (const [name, values] of Object.entries(options)) {
    const option = Object.hasOwn(own, name) ? own[name] : undefined
    if (option === undefined || values.length === 0 || values.some((value) => !option.values.includes(value)))
      return null
    flags.push(`--${name}`, values.join(","))
  }
  return flags
}

interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly last: string
}

/** Runs the command to its end. Who leaves before stops it, and it leaves nothing. */
const ran = ({ runtime, args, env }: OwnCommand, words: ReadonlyArray<string>, line: (text: string) => void) =>
  Effect.callback<Ended>((resume) => {
    const child = spawn(runtime, [...args, ...words], { env: { ...env }, stdio: ["ignore", "pipe", "pipe"] })
    let stdout = ""
    let last = ""
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text
    })
    createInterface({ input: child.stderr }).on("line", (text) => {
      last = text
      line(text)
    })
    child.on("error", ({ message }) => resume(Effect.succeed({ code: null, stdout, last: message })))
    child.on("close", (code) => resume(Effect.succeed({ code, stdout, last })))
    return Effect.sync(() => child.kill("SIGINT"))
  })

const exported = (
  program: OwnCommand,
  device: ReadonlyArray<string>,
  asked: Asked,
  tell: (event: ExportEvent) => void
) =>
  Effect.gen(function* () {
    const { id, format } = asked
    const flags = flagsOf(asked)
    if (flags === null) return yield* new RunRefused({ id, reason: `does not leave as ${format} with such options` })
    const folder = yield* exportFolder(id, format)
    const words = ["export", id, ...flags, "--out", folder, "--json", ...device]
    const { code, stdout, last } = yield* ran(program, words, (text) => tell({ kind: "line", text }))
    const failure = Schema.decodeUnknownOption(Failure)(stdout.trim())
    if (failure._tag === "Some") return yield* new NotExported({ message: failure.value.message })
    const report = Schema.decodeUnknownOption(Report)(stdout.trim())
    if (code !== 0 || report._tag === "None")
      return yield* new NotExported({
        message: last === "" ? "the command that exports ended before it was done" : last
      })
    tell({ kind: "done", exported: yield* exportedTo(folder, report.value.lines) })
  })

/** `device`: flags of it. `runs`: folders of runs, of which one leaves, and is held meanwhile. */
export const openExports = (
  program: OwnCommand,
  device: ReadonlyArray<string>,
  runs: Effect.Effect<ReadonlyArray<string>, never, Files>,
  busy: Pick<Busy, "hold">
): Effect.Effect<Partial<Handlers<Sources>>, never, Files> =>
  Effect.gen(function* () {
    yield* endRemovals([`${EXPORTS}/`], () => Effect.void)
    const remover = openRemover(Semaphore.makeUnsafe(1))
    const known = (id: string) =>
      Effect.gen(function* () {
        if (!(yield* runs).includes(id)) return yield* new RunRefused({ id, reason: "is no run of this folder" })
      })
    return {
      calls: {
        exported: ({ id }) =>
          Effect.gen(function* () {
            yield* known(id)
            return yield* Effect.forEach(yield* exportFolders(id), (folder) => exportedTo(folder, []))
          }),
        removeExport: ({ id }) =>
          Effect.gen(function* () {
            if (!(yield* exportFolders()).includes(id))
              return yield* new RunRefused({ id, reason: "is no export of this folder" })
            yield* remover.remove({ id, sign: SIGN_OF_EXPORT, mayGo: Effect.void, forget: Effect.void })
            return null
          })
      },
      watches: {
        export: (asked) =>
          Stream.callback<ExportEvent, Reported, Files>((queue) =>
            Effect.gen(function* () {
              yield* known(asked.id)
              yield* busy.hold(asked.id, "is being exported")
              yield* exported(program, device, asked, (event) => void Queue.offerUnsafe(queue, event))
            }).pipe(
              Effect.scoped,
              Effect.matchCauseEffect({
                onSuccess: () => Queue.end(queue),
                onFailure: (cause) => Queue.failCause(queue, cause)
              })
            )
          )
      }
    }
  })
