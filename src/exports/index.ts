/** Exports: a run as the files of other engines. A format is a value; `formats.ts` is the table. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import { ofDevice } from "../device/device.ts"
import { fileError, inNewFolder } from "../files/index.ts"
import { describeTrained } from "../trained/index.ts"
import { chosenOf, type Exported, type ExportFormat, ExportRefused } from "./format.ts"

export {
  type Chosen,
  type Exported,
  type ExportFormat,
  ExportRefused,
  type ExportWriter,
  exportFormat,
  type FormatOption,
  type FormatOptions
} from "./format.ts"
export { formatNamed, formatNames, formats } from "./formats.ts"

interface ExportRequest {
  readonly format: ExportFormat
  /** values of the format's options by their names, as they were written */
  readonly options?: Readonly<Record<string, string | undefined>>
  /** the folder to create, which must not exist; `<run>/<format>` unless given */
  readonly out?: string | undefined
  /** where the base model is now, if it has moved */
  readonly base?: string | undefined
}

export interface ExportReport extends Exported {
  readonly directory: string
  readonly format: string
  /** files with their paths in the folder, in the order of writing */
  readonly files: ReadonlyArray<{ readonly name: string; readonly bytes: number }>
}

/** Exports the run, or the external adapter, in `directory` to a folder of a format. On failure or interruption, no partial folder remains. */
export const exportRun = (directory: string, { format, options = {}, out, base }: ExportRequest) =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const chosen = chosenOf(format, options)
    if (chosen instanceof ExportRefused) return yield* chosen
    const refused = (reason: string) => new ExportRefused({ place: directory, reason })
    if (out === undefined && /^hf:/.test(directory)) {
      return yield* refused("is in the Hub's cache; name the folder to write with --out")
    }
    const target = out ?? path.join(directory, format.name)
    const writer = yield* Effect.promise(format.writer)
    return yield* inNewFolder(target, (folder) =>
      Effect.gen(function* () {
        const run = yield* describeTrained(directory, { base })
        const obstacle = yield* writer.obstacle(run, chosen)
        if (obstacle !== undefined) return yield* refused(obstacle)
        const exported = yield* writer.write(run, folder, chosen)
        const report: ExportReport = {
          directory: target,
          format: format.name,
          files: yield* filesIn(folder),
          ...exported
        }
        return report
      })
    )
  }).pipe(Effect.scoped, ofDevice, Effect.withSpan("export", { attributes: { format: format.name } }))

const filesIn = (folder: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const failed = fileError("read", folder)
    const names = yield* fs.readDirectory(folder, { recursive: true }).pipe(Effect.mapError(failed))
    const entries = yield* Effect.forEach(names.toSorted(), (name) =>
      fs.stat(path.join(folder, name)).pipe(
        Effect.mapError(failed),
        Effect.map(({ type, size }) => (type === "File" ? [{ name, bytes: Number(size) }] : []))
      )
    )
    return entries.flat()
  })
