/** Exports and pushes of runs: `export RUN --format F` and `push RUN owner/name` as processes, with their progress and at last their report. */

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
import { isRepository } from "../../hub/index.ts"
import type { Handlers, Reported } from "../engine/index.ts"
import { withoutFlags } from "../engine/without-flags.ts"
import type { ExportEvent, PushEvent, WatchInput } from "../protocol/index.ts"
import { EXPORTS, exportedTo, exportFolder, exportFolders, RunRefused, SIGN_OF_EXPORT } from "../runs/index.ts"
import type { OwnCommand } from "./processes.ts"
import { type Busy, endRemovals, openRemover } from "./removal.ts"

/** What the command reports of an export or a push that failed. */
export class NotExported extends Schema.TaggedError<NotExported>()("NotExported", { message: Schema.String }) {}

/** The report of `export --json`. */
const ExportReport = Schema.fromJsonString(
  Schema.Struct({
    files: Schema.Array(Schema.Struct({ name: Schema.String, bytes: Schema.Finite })),
    lines: Schema.Array(Schema.String)
  })
)
/** The report of `push --json`. */
const PushReport = Schema.fromJsonString(
  Schema.Struct({
    repository: Schema.String,
    files: Schema.Array(Schema.Struct({ path: Schema.String, bytes: Schema.Finite })),
    kept: Schema.Array(Schema.String),
    url: Schema.NullOr(Schema.String)
  })
)
const Failure = Schema.fromJsonString(Schema.Struct({ ok: Schema.Literal(false), message: Schema.String }))

const isFormat = (name: string): name is FormatName => formatNames.some((format) => format === name)

/** The flags of a format's options; null: it has no such options. */
const flagsOf = ({ format, options }: WatchInput<"export">): ReadonlyArray<string> | null => {
  if (!isFormat(format)) return null
  const formatOptions = formatNamed(format).options
  const flags: Array<string> = ["--format", format]
  for (const [name, values] of Object.entries(options)) {
    const option = Object.hasOwn(formatOptions, name) ? formatOptions[name] : undefined
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
      last = withoutFlags(text)
      line(last)
    })
    child.on("error", ({ message }) => resume(Effect.succeed({ code: null, stdout, last: message })))
    child.on("close", (code) => resume(Effect.succeed({ code, stdout, last })))
    return Effect.sync(() => child.kill("SIGINT"))
  })

/** The report of a command; fails with what it reports of a failure. */
const reported = <Report>(
  program: OwnCommand,
  words: ReadonlyArray<string>,
  report: Schema.Codec<Report, string>,
  line: (text: string) => void
) =>
  Effect.gen(function* () {
    const { code, stdout, last } = yield* ran(program, words, line)
    const failure = Schema.decodeUnknownOption(Failure)(stdout.trim())
    if (failure._tag === "Some") return yield* new NotExported({ message: withoutFlags(failure.value.message) })
    const decoded = Schema.decodeUnknownOption(report)(stdout.trim())
    if (code !== 0 || decoded._tag === "None")
      return yield* new NotExported({ message: last === "" ? `${words[0]} stopped unexpectedly` : last })
    return decoded.value
  })

type Tell<Event> = (event: Event) => void

const exported = (
  program: OwnCommand,
  device: ReadonlyArray<string>,
  request: WatchInput<"export">,
  tell: Tell<ExportEvent>
) =>
  Effect.gen(function* () {
    const { id, format } = request
    const flags = flagsOf(request)
    if (flags === null)
      return yield* new RunRefused({ id, reason: `cannot be exported as ${format} with these options` })
    const folder = yield* exportFolder(id, format)
    const words = ["export", id, ...flags, "--out", folder, "--json", ...device]
    const { lines } = yield* reported(program, words, ExportReport, (text) => tell({ kind: "line", text }))
    tell({ kind: "done", exported: yield* exportedTo(folder, lines) })
  })

const pushed = (program: OwnCommand, request: WatchInput<"push">, tell: Tell<PushEvent>) =>
  Effect.gen(function* () {
    const { id, repository, isPrivate, folder, base, withReport, isPreview } = request
    for (const name of base === undefined ? [repository] : [repository, base])
      if (!isRepository(name))
        return yield* new NotExported({ message: `found ${JSON.stringify(name)}; expected a repository as owner/name` })
    if (folder !== undefined && !(yield* exportFolders(id)).includes(folder))
      return yield* new RunRefused({ id: folder, reason: "is not an export of this run" })
    const words = [
      ...["push", id, repository, "--json"],
      ...(isPrivate ? ["--private"] : []),
      ...(folder === undefined ? [] : ["--folder", folder]),
      ...(base === undefined ? [] : ["--base-model", base]),
      ...(withReport ? ["--report"] : []),
      ...(isPreview ? ["--dry-run"] : [])
    ]
    const report = yield* reported(program, words, PushReport, (text) => tell({ kind: "line", text }))
    tell({ kind: "done", pushed: { ...report, kept: report.kept.map(withoutFlags) } })
  })

/** `device`: its flags. `runs`: folders of runs; one that is exported or pushed is held until that is done. */
export const openExports = (
  program: OwnCommand,
  device: ReadonlyArray<string>,
  runs: Effect.Effect<ReadonlyArray<string>, never, Files>,
  busy: Pick<Busy, "hold">
): Effect.Effect<Partial<Handlers<Sources>>, never, Files> =>
  Effect.gen(function* () {
    yield* endRemovals([`${EXPORTS}/`], () => Effect.void)
    const remover = openRemover(Semaphore.makeUnsafe(1))
    const checkRun = (id: string) =>
      Effect.gen(function* () {
        if (!(yield* runs).includes(id)) return yield* new RunRefused({ id, reason: "is not a run in this folder" })
      })
    /** Events of work with a run, which nothing removes meanwhile. */
    const working = <Event>(
      id: string,
      what: string,
      work: (tell: Tell<Event>) => Effect.Effect<void, Reported, Files>
    ) =>
      Stream.callback<Event, Reported, Files>((queue) =>
        Effect.gen(function* () {
          yield* checkRun(id)
          yield* busy.hold(id, what)
          yield* work((event) => void Queue.offerUnsafe(queue, event))
        }).pipe(
          Effect.scoped,
          Effect.matchCauseEffect({
            onSuccess: () => Queue.end(queue),
            onFailure: (cause) => Queue.failCause(queue, cause)
          })
        )
      )
    return {
      calls: {
        exported: ({ id }) =>
          Effect.gen(function* () {
            yield* checkRun(id)
            return yield* Effect.forEach(yield* exportFolders(id), (folder) => exportedTo(folder, []))
          }),
        removeExport: ({ id }) =>
          Effect.gen(function* () {
            if (!(yield* exportFolders()).includes(id))
              return yield* new RunRefused({ id, reason: "is not an export in this folder" })
            yield* remover.remove({ id, sign: SIGN_OF_EXPORT, mayGo: Effect.void, forget: Effect.void })
            return null
          })
      },
      watches: {
        export: (request) =>
          working<ExportEvent>(request.id, "is being exported", (tell) => exported(program, device, request, tell)),
        push: (request) => working<PushEvent>(request.id, "is being pushed", (tell) => pushed(program, request, tell))
      }
    }
  })
