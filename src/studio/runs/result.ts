/** What a finished run left, as its report says it. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import { printable, shellWord } from "../../boundary/index.ts"
import type { FileError } from "../../files/index.ts"
import { runFolder, warningTexts } from "../../output/index.ts"
import { command } from "../../output/invocation.ts"
import { evaluationRows, factsOf, gained, isConfused, readRun } from "../../output/report/index.ts"
import type { FileOfRun, RunResult } from "../protocol/index.ts"
import type { PlanOfRun } from "./summary.ts"

type Files = FileSystem.FileSystem | Path.Path

/** A folder of checkpoints may hold many. */
const MOST_FILES = 500

/** The regular files of a run's folder, with paths relative to it; no links are followed. */
export const filesOf = (id: string, most = MOST_FILES): Effect.Effect<ReadonlyArray<FileOfRun>, never, Files> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const found: Array<FileOfRun> = []
    const visit = (folder: string): Effect.Effect<void, never, FileSystem.FileSystem> =>
      Effect.gen(function* () {
        const names = yield* fs.readDirectory(path.join(id, folder)).pipe(Effect.orElseSucceed(() => []))
        for (const name of names.toSorted()) {
          if (found.length >= most) return
          const own = folder === "" ? name : `${folder}/${name}`
          const info = yield* Effect.option(fs.lstat(path.join(id, own)))
          if (info._tag === "None") continue
          if (info.value.type === "File") found.push({ path: own, bytes: Number(info.value.size) })
          else if (info.value.type === "Directory") yield* visit(own)
        }
      })
    yield* visit("")
    return found.filter(({ path: own }) => own !== "lock")
  })

export const resultOf = (id: string, { plan, kind }: PlanOfRun): Effect.Effect<RunResult, FileError, Files> =>
  Effect.gen(function* () {
    const folder = yield* runFolder(id)
    const record = yield* readRun(folder)
    const reported = { ...kind, next: (run: string) => kind.next(plan, run) }
    const { run, pictures } = record
    const files = yield* filesOf(id)
    const { columns, rows } = evaluationRows(record, reported)
    const word = shellWord(id)
    return {
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
      page: files.some((file) => file.path === "report.html") ? "report.html" : null,
      commands: [kind.next(plan, word), `evaluate ${word}`, `merge ${word}`, `train ${word}/plan.json`].map(command)
    }
  })
