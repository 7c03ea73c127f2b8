/** Ways out of a run, taken in the page: its folder of another format is written among the page's files, to be saved from there. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import { exportRun, formatNamed, formatNames } from "../../../exports/index.ts"
import { Progress } from "../../../run/progress.ts"
import type { EngineNeeds, Handlers, Reported } from "../../engine/index.ts"
import type { ExportEvent, WatchInput } from "../../protocol/index.ts"
import { exportedTo, exportFolder, exportFolders, RunRefused, SIGN_OF_EXPORT } from "../../runs/index.ts"

const exported = ({ id, format: name, options }: WatchInput<"export">, tell: (event: ExportEvent) => void) =>
  Effect.gen(function* () {
    const format = formatNames.find((own) => own === name)
    if (format === undefined) return yield* new RunRefused({ id, reason: `does not leave as ${name}` })
    const out = yield* exportFolder(id, format)
    const report = yield* exportRun(id, {
      format: formatNamed(format),
      options: Object.fromEntries(Object.entries(options).map(([option, values]) => [option, values.join(",")])),
      out
    }).pipe(
      Effect.provideService(Progress, (event) =>
        Effect.sync(() => {
          if (event.kind === "notice") tell({ kind: "line", text: event.message })
        })
      )
    )
    tell({ kind: "done", exported: yield* exportedTo(out, report.lines) })
  })

export const exportHandlers: Partial<Handlers<EngineNeeds>> = {
  watches: {
    export: (asked) =>
      Stream.callback<ExportEvent, Reported, EngineNeeds>((queue) =>
        exported(asked, (event) => void Queue.offerUnsafe(queue, event)).pipe(
          Effect.matchCauseEffect({
            onSuccess: () => Queue.end(queue),
            onFailure: (cause) => Queue.failCause(queue, cause)
          })
        )
      )
  }
}

/** Those that are there already, which need no device. */
export const exportedHandlers: Partial<Handlers<FileSystem.FileSystem | Path.Path>> = {
  calls: {
    exported: ({ id }) =>
      Effect.flatMap(exportFolders(id), (folders) => Effect.forEach(folders, (folder) => exportedTo(folder, []))),
    removeExport: ({ id }) =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        if (!(yield* exportFolders()).includes(id))
          return yield* new RunRefused({ id, reason: "is no export of this studio" })
        // first what lists it
        for (const one of [`${id}/${SIGN_OF_EXPORT}`, id]) yield* Effect.ignore(fs.remove(one, { recursive: true }))
        return null
      })
  }
}
