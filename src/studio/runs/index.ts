/**
 * Run folders as the studio shows them, for a server and for a page alike, read from files only: their list, the progress of each, and the
 * studio's verbs over them.
 */

import * as Effect from "effect/Effect"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { isRecord } from "../../boundary/index.ts"
import { type FileError, type Files, isThere } from "../../files/index.ts"
import type { Sources } from "../../hub/hub.ts"
import { checkFree, type RunLocked } from "../../output/index.ts"
import type { Handlers } from "../engine/handlers.ts"
import type { PlanJson, Plot, RunEvent, RunSummary } from "../protocol/index.ts"
import { annotate, isLinked, LONGEST_COMMENT } from "./annotation.ts"
import { curvesOf, plotReader } from "./curves.ts"
import { planDifferences } from "./differences.ts"
import { resultOf } from "./left.ts"
import { nameOfRun, writePlan } from "./plan-files.ts"
import { freeFolder, isOver, type Life, runFolders, runReader } from "./summary.ts"
import { growingFile, looks } from "./watching.ts"

export { curvesOf, plotReader, thinned } from "./curves.ts"
export { EXPORTS, exportedTo, exportFolder, exportFolders, filesOf, SIGN_OF_EXPORT, usesIn } from "./left.ts"
export {
  foldersWith,
  freeFolder,
  type Life,
  nameBeforeRemoval,
  type RunReader,
  removedName,
  runFolders,
  runReader,
  unattended
} from "./summary.ts"
export { growingFile, looks, seenFiles } from "./watching.ts"

/** A request that a run cannot fulfil. */
export class RunRefused extends Schema.TaggedError<RunRefused>()("RunRefused", {
  id: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `${this.id} ${this.reason}`
  }
}

export interface RunWriter {
  /** Folders of the runs that it was asked to start; some may not exist yet. */
  readonly startedFolders: () => ReadonlyArray<string>
  /** The processes of runs and their states, in the order of `ids`. */
  readonly lives: (ids: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<Life>, never, Files>
  /** Begins, or waits for its turn; `now`: whatever else trains. */
  readonly start: (run: {
    readonly id: string
    readonly plan: string
    readonly now: boolean
  }) => Effect.Effect<void, FileError, Files>
  readonly resume: (id: string, now: boolean) => Effect.Effect<void, RunRefused | FileError, Files>
  /** Lets it finish its step and save. */
  readonly stop: (id: string) => Effect.Effect<void, RunRefused | FileError, Files>
  /** Removes a run that is over, or waits, with its folder and all that the host keeps of it. */
  readonly remove: (id: string) => Effect.Effect<void, RunRefused | RunLocked | FileError, Files>
  /** The file with what a run says as it goes. */
  readonly logOf: (id: string) => string
  /** A plot of the memory that is held for a run; absent where that is not known. The same value until there is more. */
  readonly memoryOf?: (id: string) => Plot | undefined
}

/** milliseconds between the plots of a run */
const PLOTS = 1_000
/** whose plans are compared at once */
const MOST_COMPARED = 8
/** of a log, at first */
const LOG_BYTES = 256 * 1024

interface Runs {
  readonly handlers: Partial<Handlers<Sources>>
  /** Folders of runs, as the list names them. */
  readonly ids: Effect.Effect<ReadonlyArray<string>, never, Files>
  readonly summary: (id: string) => Effect.Effect<RunSummary, never, Files>
}

export const runsOf = (writer: RunWriter): Runs => {
  const reader = runReader()
  const { plots } = plotReader(reader)

  const ids: Runs["ids"] = Effect.gen(function* () {
    return [...new Set([...(yield* runFolders()), ...writer.startedFolders()])]
  })
  const isKnown = (id: string) =>
    writer.startedFolders().includes(id) ? Effect.succeed(true) : isThere(`${id}/plan.json`)
  /** Removals that were asked for, and those that came to their end. */
  let [removalsAsked, removalsDone] = [0, 0]
  const list: Effect.Effect<ReadonlyArray<RunSummary>, never, Files> = Effect.gen(function* () {
    const doneBefore = removalsDone
    const all = yield* ids
    const lives = yield* writer.lives(all)
    const read = yield* Effect.forEach(all, (id, i) => reader.summary(id, lives[i]!), { concurrency: 16 })
    // of a run that was removed meanwhile half may have been read
    const summaries = removalsAsked === doneBefore ? read : yield* Effect.filter(read, ({ id }) => isKnown(id))
    return summaries.toSorted((a, b) => b.startedAt - a.startedAt || (a.id < b.id ? -1 : 1))
  })
  const checkKnown = (id: string) =>
    Effect.gen(function* () {
      if (!(yield* ids).includes(id)) return yield* new RunRefused({ id, reason: "is not a run in this folder" })
    })
  const summaryOf = (id: string) =>
    Effect.gen(function* () {
      const [life] = yield* writer.lives([id])
      return yield* reader.summary(id, life!)
    })

  /** The folder that a plan names itself. */
  const namedFolder = (directory: string) =>
    Effect.gen(function* () {
      const path = yield* Path.Path
      const id = path.relative(path.resolve("."), path.resolve(directory)).replaceAll(path.sep, "/")
      if (id === "" || /^\.\.?(\/|$)/.test(id) || path.isAbsolute(id))
        return yield* new RunRefused({
          id: directory,
          reason: "(output.directory) is not inside the studio's folder, which has all of its runs"
        })
      yield* checkFree(id)
      return id
    })

  /** What changed since the last look. */
  const follow = (id: string): Stream.Stream<RunEvent, RunRefused, Files> => {
    const log = growingFile(writer.logOf(id), LOG_BYTES)
    let lastSummary = ""
    let drawn: unknown
    let drawnMemory: unknown
    let drawnAt = 0
    const look = Effect.gen(function* () {
      const news: Array<RunEvent> = []
      const summary = yield* summaryOf(id)
      if (!(yield* isKnown(id))) return yield* new RunRefused({ id, reason: "was removed" })
      const text = JSON.stringify(summary)
      if (text !== lastSummary) news.push({ kind: "summary", summary })
      lastSummary = text
      const { lines } = yield* log.more
      if (lines.length > 0) news.push({ kind: "log", lines })
      const over = isOver(summary.state)
      if (over || performance.now() - drawnAt >= PLOTS) {
        const now = yield* plots(id, !over)
        const memory = writer.memoryOf?.(id)
        if (now !== drawn || memory !== drawnMemory) {
          news.push({ kind: "plots", plots: memory === undefined ? now : [...now, memory] })
          drawnAt = performance.now()
        }
        drawn = now
        drawnMemory = memory
      }
      return news
    })
    return Stream.flatMap(looks(look), Stream.fromIterable)
  }

  const handlers: Runs["handlers"] = {
    calls: {
      runs: () => list,
      start: ({ name, plan, now = false }) =>
        Effect.gen(function* () {
          const safeName = nameOfRun(name)
          const { output } = plan
          const directory = isRecord(output) ? output["directory"] : undefined
          const id =
            typeof directory === "string"
              ? yield* namedFolder(directory)
              : yield* freeFolder(`runs/${safeName}`, (folder) => writer.startedFolders().includes(folder))
          const file = yield* writePlan(safeName, plan)
          yield* writer.start({ id, plan: file, now })
          return { id }
        }),
      stop: ({ id }) => checkKnown(id).pipe(Effect.andThen(writer.stop(id)), Effect.as(null)),
      resume: ({ id, now = false }) => checkKnown(id).pipe(Effect.andThen(writer.resume(id, now)), Effect.as(null)),
      remove: ({ id }) =>
        Effect.gen(function* () {
          yield* checkKnown(id)
          removalsAsked++
          yield* writer.remove(id).pipe(Effect.ensuring(Effect.sync(() => removalsDone++)))
          return null
        }),
      annotate: ({ id, ...change }) =>
        Effect.gen(function* () {
          yield* checkKnown(id)
          if ((change.comment?.length ?? 0) > LONGEST_COMMENT)
            return yield* new RunRefused({ id, reason: `keeps comments of up to ${LONGEST_COMMENT} characters` })
          if (yield* isLinked(id))
            return yield* new RunRefused({ id, reason: "is a symbolic link, through which the studio writes nothing" })
          yield* annotate(id, change)
          return null
        }),
      differences: ({ ids: requested }) =>
        Effect.gen(function* () {
          const all = yield* ids
          const compared = requested.filter((id) => all.includes(id)).slice(0, MOST_COMPARED)
          const plans = yield* Effect.forEach(compared, (id) =>
            Effect.map(reader.plan(id), (planOfRun) => planOfRun && (planOfRun.plan as unknown as PlanJson))
          )
          return planDifferences(compared, plans)
        }),
      result: ({ id }) =>
        Effect.gen(function* () {
          yield* checkKnown(id)
          const planOfRun = yield* reader.plan(id)
          if (planOfRun === null) return yield* new RunRefused({ id, reason: "has no readable plan.json" })
          return yield* resultOf(id, planOfRun)
        }),
      curves: ({ ids: requested, plot, points }) =>
        Effect.gen(function* () {
          const all = yield* ids
          const compared = requested.filter((id) => all.includes(id))
          const runs = yield* Effect.forEach(compared, (id) =>
            Effect.map(plots(id), (plotsOfRun) => ({ id, plots: plotsOfRun }))
          )
          return curvesOf(runs, plot, Math.min(Math.max(points, 2), 1_000))
        })
    },
    watches: {
      runs: () => Stream.changesWith(looks(list), (a, b) => JSON.stringify(a) === JSON.stringify(b)),
      run: ({ id }) => Stream.unwrap(Effect.as(checkKnown(id), follow(id)))
    }
  }
  return { handlers, ids, summary: summaryOf }
}
