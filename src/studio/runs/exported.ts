/** Folders in `exports/`: where an export of a run goes, and those that went there. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import { formatNames } from "../../exports/formats.ts"
import { readTextFile } from "../../files/index.ts"
import type { CodeToUse, Exported } from "../protocol/index.ts"
import { filesOf } from "./result.ts"

/** "In Python, with PEFT, from the folder that …:" without its colon; a heading without its marks. */
const titleOf = (before: string): string => {
  const last = before
    .trim()
    .split(/\n\s*\n/)
    .at(-1)!
  return last
    .replace(/^#+\s*/, "")
    .replaceAll(/\s*\n\s*/g, " ")
    .replace(/:$/, "")
}

/** How a folder is used, by its own README.md: the code in it, each piece under the sentence that introduces it. */
export const usesIn = (markdown: string): ReadonlyArray<CodeToUse> => {
  const fence = /^```(\w*)\n([\s\S]*?)^```$/gm
  const uses: Array<CodeToUse> = []
  let end = 0
  for (const match of markdown.matchAll(fence)) {
    const [whole, language = "", code = ""] = match
    uses.push({ title: titleOf(markdown.slice(end, match.index)), language, code: code.trimEnd() })
    end = match.index + whole.length
  }
  return uses
}

type Files = FileSystem.FileSystem | Path.Path

/** of exports, in the folder that the studio is started in */
export const EXPORTS = "exports"

/** A file that every export has. */
export const SIGN_OF_EXPORT = "README.md"

/** A run's name as the names of its exports begin. */
const stemOf = (id: string): Effect.Effect<string, never, Path.Path> =>
  Effect.map(Path.Path, (path) => path.basename(id).replaceAll(/[^\w.-]+/g, "-"))

/** "exports/reviews-1-onnx-1": the first that is free. */
export const exportFolder = (id: string, format: string): Effect.Effect<string, never, Files> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const name = yield* stemOf(id)
    for (let n = 1; ; n++) {
      const folder = `${EXPORTS}/${name}-${format}-${n}`
      if (!(yield* fs.exists(folder).pipe(Effect.orElseSucceed(() => true)))) return folder
    }
  })

/** What an export left in a folder, with `lines` that were said of it. */
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
    const fs = yield* FileSystem.FileSystem
    const stem = id === undefined ? undefined : yield* stemOf(id)
    const names = yield* fs.readDirectory(EXPORTS).pipe(Effect.orElseSucceed(() => []))
    const own = names.filter((name) => {
      const [, of] = NAME.exec(name) ?? []
      return of !== undefined && (stem === undefined || stem === of)
    })
    const found = yield* Effect.forEach(own.toSorted(), (name) =>
      fs.exists(`${EXPORTS}/${name}/${SIGN_OF_EXPORT}`).pipe(
        Effect.orElseSucceed(() => false),
        Effect.map((is) => (is ? [`${EXPORTS}/${name}`] : []))
      )
    )
    return found.flat()
  })
