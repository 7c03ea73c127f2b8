/**
 * Predicts the rows of a data file and writes them to a new file: the input's columns unchanged, then
 *
 *   prediction           a class, several classes separated by commas, a value, or a generated text
 *   probability          of the class, if the model gives one
 *   probability NAME     of each label, if a row may have several
 *   prediction NAME      each value, if there are several
 *   probabilities        of all classes, `labels` as a list and `spans` of a text, in JSON lines
 *
 * An input column with such a name keeps it, and the new column is called `prediction_2`. All rows are checked before the first is
 * predicted; then they are streamed, whatever the file's size. The file appears when it is complete, and never replaces another.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Stream from "effect/Stream"
import { type CheckedRows, DataDialect, openChecked, type Placed, type RowWriter, rowWriter } from "../data/index.ts"
import { ofDevice } from "../device/device.ts"
import { FileError, fileError, replaceFile } from "../files/index.ts"
import type { Prediction } from "../kinds/index.ts"
import { working } from "../progress/index.ts"
import type { LoadedRun } from "./load-run.ts"

type Fields = Readonly<Record<string, unknown>>

/** A row of the input with its prediction. */
export interface PredictedRow {
  readonly where: string
  readonly row: Fields
  readonly prediction: Prediction
}

/** Opens a file with the run's columns until the scope closes. Reports all rows that cannot be predicted in one error. */
export const openPredicted = ({ kind, plan, adapted }: Pick<LoadedRun, "kind" | "plan" | "adapted">, file: string) =>
  openChecked(file, (row) => kind.problemOf?.(adapted, plan, row)).pipe(Effect.provideService(DataDialect, plan.data))

/** Streams rows with their predictions. */
export const predictedRows = (
  { plan, predict }: Pick<LoadedRun, "plan" | "predict">,
  { records, rows: of }: CheckedRows,
  folder?: string
) => {
  let predicted = 0
  return records.pipe(
    Stream.grouped(plan.training.evaluateBatchSize),
    Stream.tap((some) => {
      const before = predicted
      predicted += some.length
      return working("predicting", { done: before, of, unit: "rows" })
    }),
    Stream.mapEffect((placed: ReadonlyArray<Placed<Fields>>) =>
      Effect.map(
        predict(
          placed.map(({ value }) => value),
          folder
        ),
        (predictions) =>
          placed.map(({ value, where }, i): PredictedRow => ({ where, row: value, prediction: predictions[i]! }))
      )
    )
  )
}

/** Predicts the rows of a file and writes them to a new .csv, .tsv or .jsonl file. Returns their number. */
export const predictFile = (
  run: Pick<LoadedRun, "kind" | "plan" | "adapted" | "predict">,
  {
    data,
    out
  }: {
    /** path of the rows: a file with the plan's columns */
    readonly data: string
    /** path of the new file, whose extension decides its format; an existing file is rejected */
    readonly out: string
  }
) =>
  Effect.gen(function* () {
    const write = yield* rowWriter(out)
    const path = yield* Path.Path
    yield* refuseExisting(out)
    const checked = yield* openPredicted(run, data)
    const failed = fileError("write", out)
    const encoder = new TextEncoder()
    yield* replaceFile(
      out,
      (handle) =>
        Effect.gen(function* () {
          const append = (text: string) => Effect.mapError(handle.writeAll(encoder.encode(text)), failed)
          const existing = new Set(checked.columns)
          let writer: RowWriter | undefined
          yield* predictedRows(run, checked, path.dirname(data)).pipe(
            Stream.runForEach((rows) => {
              const all = rows.map(({ row, prediction }) => ({
                row,
                predictionColumns: renamed(columnsSaid(prediction), existing)
              }))
              const first = writer === undefined
              writer ??= write([...checked.columns, ...cells(all[0]!.predictionColumns)], checked.table)
              const { head, row: line } = writer
              return append(
                (first ? head : "") +
                  all.map(({ row, predictionColumns }) => line({ ...row, ...predictionColumns })).join("")
              )
            })
          )
          yield* refuseExisting(out)
        }),
      failed
    )
    return checked.rows
  }).pipe(Effect.scoped, ofDevice, Effect.withSpan("predict"))

const refuseExisting = (out: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    if (yield* fs.exists(out).pipe(Effect.mapError(fileError("read", out)))) {
      const reason = "it exists already and is left unchanged; give another file with --out"
      yield* new FileError({ action: "write", file: out, reason })
    }
  })

/** Returns a prediction's fields by column name: the same columns for every row of a run. */
export const columnsSaid = ({ label, labels, probabilities, spans, values }: Prediction): Fields => {
  const named = (prefix: string, all: Fields) =>
    Object.fromEntries(Object.entries(all).map(([name, value]) => [`${prefix} ${name}`, value]))
  if (spans !== undefined) return { prediction: label, spans }
  if (labels !== undefined)
    return { prediction: labels.join(", "), ...named("probability", probabilities ?? {}), labels }
  if (values === undefined) {
    return probabilities === undefined
      ? { prediction: label }
      : { prediction: label, probability: probabilities[label], probabilities }
  }
  const [only, ...more] = Object.values(values)
  return more.length === 0 ? { prediction: only } : { prediction: label, ...named("prediction", values) }
}

/** Returns the names of the fields that fit into a table cell. */
const cells = (fields: Fields): ReadonlyArray<string> =>
  Object.keys(fields).filter((name) => typeof fields[name] !== "object")

/** Renames fields whose name is already a column. */
const renamed = (fields: Fields, existing: ReadonlySet<string>): Fields =>
  Object.fromEntries(Object.entries(fields).map(([name, value]) => [freeName(name, existing), value]))

const freeName = (name: string, existing: ReadonlySet<string>): string => {
  let free = name
  for (let n = 2; existing.has(free); n++) free = `${name}_${n}`
  return free
}
