/**
 * The rows behind a cell of a run's confusion matrix. A run is evaluated for the first cell of a split, and what was said of its rows is kept
 * for the next one, of as many runs as `MOST`.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { type Cells, type LentRun, openCells } from "../../trained/index.ts"
import type { JudgedRow } from "../protocol/index.ts"
import type { EngineNeeds, Handlers } from "./handlers.ts"
import { useRun, versionOf } from "./loaded-runs.ts"

interface Kept {
  /** of the run's last file: a replaced run is opened again */
  readonly version: number
  readonly scope: Scope.Closeable
  readonly cells: Cells<EngineNeeds>
}

const MOST = 3
/** A page of rows, and no more: pictures are large. */
const MOST_ROWS = 200

const open = new Map<string, Kept>()
const turn = Semaphore.makeUnsafe(1)

const forget = (id: string) =>
  Effect.suspend(() => {
    const entry = open.get(id)
    open.delete(id)
    return entry === undefined ? Effect.void : Scope.close(entry.scope, Exit.void)
  })

/** The run as those have it who ask it, and nothing else on the device meanwhile. */
const lentRun =
  (id: string): LentRun<EngineNeeds> =>
  (work) =>
    Effect.scoped(Effect.flatMap(useRun(id), ({ run, turn }) => turn(work(run))))

const cellsOf = (id: string) =>
  Effect.gen(function* () {
    const version = yield* versionOf(id)
    const entry = open.get(id)
    if (entry?.version === version) {
      // the newest last
      open.delete(id)
      open.set(id, entry)
      return entry.cells
    }
    yield* forget(id)
    const scope = yield* Scope.make()
    const cells = yield* openCells(id, lentRun(id)).pipe(
      Scope.provide(scope),
      Effect.onExit((exit) => (Exit.isSuccess(exit) ? Effect.void : Scope.close(scope, exit)))
    )
    open.set(id, { version, scope, cells })
    const [oldest] = open.keys()
    if (open.size > MOST && oldest !== undefined) yield* forget(oldest)
    return cells
  })

export const cellHandlers: Partial<Handlers<EngineNeeds>> = {
  calls: {
    cell: ({ id, most, ...question }) =>
      Effect.flatMap(cellsOf(id), ({ rows }) =>
        rows({ ...question, most: Math.min(MOST_ROWS, Math.max(1, most)) })
      ).pipe(
        Effect.scoped,
        Effect.map((rows): ReadonlyArray<JudgedRow> => rows),
        Semaphore.withPermit(turn)
      )
  }
}
