/** Ways out of a run, taken in the page: its folder of another format is written among the page's files, to be saved from there. */
import * as Effect from "effect/Effect"
import * as Path from "effect/Path"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import { exportRun, formatNamed, formatNames } from "../../../exports/index.ts"
import { readTextFile } from "../../../files/index.ts"
import { Progress } from "../../../run/progress.ts"
import type { EngineNeeds, Handlers, Reported } from "../../engine/index.ts"
import type { ExportEvent, WatchInput } from "../../protocol/index.ts"
import { exportFolder, RunRefused, usesIn } from "../../runs/index.ts"

const exported = ({ id, format: name, options }: WatchInput<"export">, tell: (event: ExportEvent) => void) =>
  Effect.gen(function* () {
    const path = yield* Path.Path
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
    const readme = yield* readTextFile(path.join(out, "README.md")).pipe(Effect.orElseSucceed(() => ""))
    const files = report.files.map((file) => ({ path: file.name, bytes: file.bytes }))
    tell({ kind: "done", exported: { folder: out, id: out, files, lines: report.lines, uses: usesIn(readme) } })
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
