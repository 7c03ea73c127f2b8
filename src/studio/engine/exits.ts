/** The formats in which a finished run can be exported: its adapter, which exists already, and those of `export`. */

import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
// what writes them is loaded by each
import { formats } from "../../exports/formats.ts"
import type { ExportFormat } from "../../exports/index.ts"
import { namesIn, readTextFile } from "../../files/index.ts"
import { runFolder } from "../../output/index.ts"
import { type DescribedRun, describeTrained } from "../../trained/index.ts"
import type { Exit } from "../protocol/index.ts"
import { usesIn } from "../runs/index.ts"
import type { EngineNeeds, Handlers } from "./handlers.ts"
import { withoutFlags } from "./without-flags.ts"

const usualOf = ({ options }: ExportFormat) =>
  Object.fromEntries(Object.entries(options).map(([name, { usual }]) => [name, usual]))

const exitOf = (id: string, run: DescribedRun, format: ExportFormat) =>
  Effect.gen(function* () {
    const writer = yield* Effect.promise(format.writer)
    const obstacle = yield* writer.obstacle(run, usualOf(format))
    const exit: Exit = {
      name: format.name,
      usedIn: format.usedIn,
      title: format.title,
      says: format.summary,
      options: Object.entries(format.options).map(([name, { summary, values, usual, several }]) => ({
        name,
        says: summary,
        values,
        usual,
        several
      })),
      refused: obstacle === undefined ? null : `${id} ${withoutFlags(obstacle)}`
    }
    return exit
  })

const ADAPTER = "adapter"

/** Languages of the code in a model card, for people. */
const languages: Readonly<Record<string, string>> = {
  python: "Python",
  ts: "TypeScript",
  js: "JavaScript",
  sh: "a terminal"
}

/** The adapter's own folder. */
const adapterExit = (id: string, { kind, plan }: DescribedRun) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const { adapter } = yield* runFolder(id)
    const { readerOf } = yield* Effect.promise(kind.publisher)
    const reader = readerOf(plan)
    const names = yield* namesIn(adapter)
    const files = yield* Effect.forEach(names.toSorted(), (name) =>
      Effect.map(fs.stat(path.join(adapter, name)), ({ type, size }) =>
        type === "File" ? [{ path: `${ADAPTER}/${name}`, bytes: Number(size) }] : []
      ).pipe(Effect.orElseSucceed(() => []))
    )
    const readme = yield* readTextFile(path.join(adapter, "README.md")).pipe(Effect.orElseSucceed(() => ""))
    const uses = usesIn(readme)
    const exit: Exit = {
      name: ADAPTER,
      usedIn: `In ${[...new Set(uses.map(({ language }) => languages[language] ?? language))].join(" or ") || "tfjs-lora-pro"}`,
      title: "Adapter",
      says: `the trained weights without the base model, for ${reader ?? "this package"}`,
      options: [],
      refused: null,
      there: {
        folder: adapter,
        id,
        files: files.flat(),
        lines: [
          "An adapter needs its base model. Tools that do not load adapters, such as transformers.js, need one of the exports."
        ],
        uses
      }
    }
    return exit
  })

export const exitHandlers: Partial<Handlers<EngineNeeds>> = {
  calls: {
    exits: ({ id }) =>
      Effect.gen(function* () {
        const run = yield* describeTrained(id)
        const exports = yield* Effect.forEach(formats, (format) => exitOf(id, run, format))
        return [yield* adapterExit(id, run), ...exports]
      }).pipe(Effect.scoped)
  }
}
