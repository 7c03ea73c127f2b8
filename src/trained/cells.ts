/**
 * Rows of a cell of a run's confusion matrix: those of one class that were predicted as another, or as the same one. The split is evaluated as
 * it was at the end of the run, so a cell has as many rows as the matrix counts; only the rows to show are read.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { listed, quoted } from "../boundary/index.ts"
import type { Device } from "../device/device.ts"
import type { Reported, World } from "../kinds/index.ts"
import type { SplitSource, Splits } from "../plan/index.ts"
import type { Mistake } from "../training/index.ts"
import { describeRun, type LoadedRun } from "./load-run.ts"
import { RunError } from "./run-identity.ts"

/** Predictions for the rows of a split, by row number. */
interface ClassedSplit {
  readonly source: SplitSource
  readonly label: Int32Array
  readonly predicted: Int32Array
  /** probability of the predicted class */
  readonly probability: Float32Array
}

export interface CellQuestion {
  readonly split: string
  /** class of the rows, and the class that was predicted */
  readonly label: string
  readonly predicted: string
  /** largest number of rows, in descending order of the predicted probability */
  readonly most: number
}

/** Provides the run on a device while some work is done. */
export type LentRun<R> = <A>(
  work: (run: LoadedRun) => Effect.Effect<A, Reported, Device | World>
) => Effect.Effect<A, Reported, R>

/**
 * Opens the cells of a finished run, until the scope closes. The first query of a split evaluates it, with the model that `lent` provides
 * for that time; twelve bytes per row are kept. Queries must not overlap.
 */
export const openCells = <R>(directory: string, withRun: LentRun<R>) =>
  Effect.gen(function* () {
    const outer = yield* Effect.scope
    const { kind, plan, model } = yield* describeRun(directory)
    const labels = kind.labelsOf(model)
    const cached = new Map<string, ClassedSplit>()
    const fail = (reason: string) => new RunError({ directory, reason })

    const classed = (split: string) =>
      Effect.gen(function* () {
        const before = cached.get(split)
        if (before !== undefined) return before
        // the source of the rows stays open, the model does not
        const rowsScope = yield* Scope.fork(outer)
        const evaluate = Effect.fnUntraced(function* ({ adapted }: LoadedRun) {
          const splits: Splits = yield* kind.splits(adapted, plan).pipe(Scope.provide(rowsScope))
          const source = Object.hasOwn(splits, split) ? splits[split as keyof Splits] : undefined
          if (source === undefined)
            return yield* fail(`has no ${quoted(split)} rows; expected ${listed(Object.keys(splits)).join(", ")}`)
          const { rows } = source
          const all: ClassedSplit = {
            source,
            label: new Int32Array(rows).fill(-1),
            predicted: new Int32Array(rows),
            probability: new Float32Array(rows)
          }
          yield* kind.evaluate(adapted, plan, source, {
            done: () => Effect.void,
            classed: (batch) => {
              for (const { row, label, predicted, probability } of batch) {
                all.label[row] = label
                all.predicted[row] = predicted
                all.probability[row] = probability
              }
            }
          })
          return all
        })
        const classedSplit = yield* withRun(evaluate).pipe(
          Effect.onExit((exit) => (Exit.isSuccess(exit) ? Effect.void : Scope.close(rowsScope, exit)))
        )
        cached.set(split, classedSplit)
        return classedSplit
      })

    const classOf = (name: string) => {
      const i = labels.indexOf(name)
      return i < 0 ? Effect.fail(fail(`has no class ${quoted(name)}`)) : Effect.succeed(i)
    }

    return {
      /** Returns the rows of a cell. Fails if the run has no such split or class. */
      rows: ({ split, label, predicted, most }: CellQuestion) =>
        Effect.gen(function* () {
          if (labels.length === 0)
            return yield* fail(`is of data.format "${plan.data.format}", whose rows have no classes`)
          const [right, predictedClass] = [yield* classOf(label), yield* classOf(predicted)]
          const all = yield* classed(split)
          const mistakes = kind.keepMistakes?.(all.source, most)
          if (mistakes === undefined) return yield* fail("does not keep its misclassified rows")
          const rows = [...all.label.keys()].filter(
            (row) => all.label[row] === right && all.predicted[row] === predictedClass
          )
          mistakes.add(
            rows.map((row) => {
              const probability = all.probability[row]!
              return { row, predicted, weight: probability, probability }
            })
          )
          const rowsOfCell: ReadonlyArray<Mistake> = yield* mistakes.read
          return rowsOfCell
        })
    }
  })

export type Cells<R> = Effect.Success<ReturnType<typeof openCells<R>>>
