/** The result of a finished run, as in its report; and the folders of its exports in `exports/`. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import { printable } from "../../boundary/index.ts"
import { formatNames } from "../../exports/formats.ts"
import { type FileError, type Files, namesIn, readTextFile } from "../../files/index.ts"
import { runFolder, warningTexts } from "../../output/index.ts"
import { evaluationRows, factsOf, gained, gainOf, isConfused, readRun } from "../../output/report/index.ts"
import type { CodeToUse, Exported, FileOfRun, RunResult } from "../protocol/index.ts"
import { foldersWith, freeFolder, type PlanOfRun } from "./summary.ts"

/** A folder of checkpoints may hold many. */
const MOST_FILES = 500

/** The regular files of a run's folder, with paths relative to it; no links are followed. */
export const filesOf = (id: string, most = MOST_FILES): Effect.Effect<ReadonlyArray<FileOfRun>, never, Files> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const files: Array<FileOfRun> = []
    const visit = (folder: string): Effect.Effect<void, never, FileSystem.FileSystem> =>
      Effect.gen(function* () {
        const names = yield* namesIn(path.join(id, folder))
        for (const name of names.toSorted()) {
          if (files.length >= most) return
          const relative = folder === "" ? name : `${folder}/${name}`
          const info = yield* Effect.option(fs.lstat(path.join(id, relative)))
          if (info._tag === "None") continue
          if (info.value.type === "File") files.push({ path: relative, bytes: Number(info.value.size) })
          else if (info.value.type === "Directory") yield* visit(relative)
        }
      })
    yield* visit("")
    return files.filter(({ path: file }) => file !== "lock")
  })

export const resultOf = (id: string, { plan, kind }: PlanOfRun): Effect.Effect<RunResult, FileError, Files> =>
  Effect.gen(function* () {
    const folder = yield* runFolder(id)
    const record = yield* readRun(folder)
    const reported = { ...kind, next: (run: string) => kind.next(plan, run) }
    const { run, pictures } = record
    const files = yield* filesOf(id)
    const { columns, rows } = evaluationRows(record, reported)
    return {
      gain: gainOf(record, reported),
      gained: printable(gained(record, reported)),
      facts: factsOf(record, reported).map(([name, value]) => ({ name, value })),
      evaluations: { columns, rows },
      confusions: [run.validation, run.test]
        .filter((split) => split !== null)
        .filter(isConfused)
        .map(({ split, confusion }) => ({ split, labels: run.labels, counts: confusion })),
      mistakes: run.mistakes.map((mistake, i) => ({ ...mistake, picture: pictures[i] ?? null })),
      warnings: warningTexts(kind, run),
      plan: record.plan,
      files,
      page: files.some((file) => file.path === "report.html") ? "report.html" : null
    }
  })

/** "In Python, with PEFT, from the folder that …:" without its colon and the marks of code and headings. */
const titleOf = (before: string): string => {
  const last = before
    .trim()
    .split(/\n\s*\n/)
    .at(-1)!
  return last
    .replace(/^#+\s*/, "")
    .replaceAll("`", "")
    .replaceAll(/\s*\n\s*/g, " ")
    .replace(/:$/, "")
}

/** The code in a folder's README.md, each piece with the sentence that introduces it. */
export const usesIn = (markdown: string): ReadonlyArray<CodeToUse> => {
  const fence = /^```(\w*)\n([\s\S]*?)^```$/gm
  const uses: Array<CodeToUse> = []
  let end = 0
  for (const match of markdown.matchAll(fence)) {
    const [block, language = "", code = ""] = match
    uses.push({ title: titleOf(markdown.slice(end, match.index)), language, code: code.trimEnd() })
    end = match.index + block.length
  }
  return uses
}

/** of exports, in the folder that the studio is started in */
export const EXPORTS = "exports"

/** A file that every export has. */
export const SIGN_OF_EXPORT = "README.md"

/** The start of the names of a run's exports. */
const stemOf = (id: string): Effect.Effect<string, never, Path.Path> =>
  Effect.map(Path.Path, (path) => path.basename(id).replaceAll(/[^\w.-]+/g, "-"))

/** "exports/reviews-1-onnx-1": the first that is free. */
export const exportFolder = (id: string, format: string): Effect.Effect<string, never, Files> =>
  Effect.gen(function* () {
    return yield* freeFolder(`${EXPORTS}/${yield* stemOf(id)}-${format}`)
  })

/** The files of an export, with `lines` of its report. */
export const exportedTo = (folder: string, lines: ReadonlyArray<string>): Effect.Effect<Exported, never, Files> =>
  Effect.gen(function* () {
    const readme = yield* readTextFile(`${folder}/${SIGN_OF_EXPORT}`).pipe(Effect.orElseSucceed(() => ""))
    return { folder, id: folder, files: yield* filesOf(folder), lines, uses: usesIn(readme) }
  })

/** "reviews-1-onnx-2" → ["reviews-1", "onnx", "2"]; one that is being written has another ending. */
const NAME = new RegExp(`^(.+)-(${formatNames.join("|")})-(\\d+)$`)

/** The exports of this folder, those of one run where it is named. */
export const exportFolders = (id?: string): Effect.Effect<ReadonlyArray<string>, never, Files> =>
  Effect.gen(function* () {
    const stem = id === undefined ? undefined : yield* stemOf(id)
    return (yield* foldersWith(EXPORTS, SIGN_OF_EXPORT)).filter((folder) => {
      const [, of] = NAME.exec(folder.slice(EXPORTS.length + 1)) ?? []
      return of !== undefined && (stem === undefined || stem === of)
    })
  })
