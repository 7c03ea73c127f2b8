/** What a run left behind, as a trial's result. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import { runFolder } from "../output/index.ts"
import { readHeader } from "../safetensors/index.ts"
import { type Metrics, scoreOf } from "../training/index.ts"
import type { Discrepancy, Score, Trial, TrialResult } from "./study.ts"

const Evaluation = Schema.StructWithRest(Schema.Struct({ rows: Schema.Int, loss: Schema.NullOr(Schema.Finite) }), [
  Schema.Record(Schema.String, Schema.Unknown)
])

/** Of run.json, as `train --json` prints it. */
const Report = Schema.Struct({
  validation: Schema.NullOr(Evaluation),
  test: Schema.NullOr(Evaluation),
  trainLoss: Schema.NullOr(Schema.Finite),
  seconds: Schema.Finite,
  peakBytes: Schema.Finite,
  trainable: Schema.Struct({ total: Schema.Int }),
  steps: Schema.Int,
  device: Schema.Record(Schema.String, Schema.Unknown)
})

export const decodeReport = Schema.decodeUnknownOption(Schema.fromJsonString(Report))
export type Report = typeof Report.Type

/** A run that came to its end. `directory`: from here; `name`: from the study's folder. */
export const doneResult = (metrics: Metrics, trial: Trial, directory: string, name: string, report: Report) =>
  Effect.gen(function* () {
    const folder = yield* runFolder(directory)
    const { trainable, ...numbers } = report
    const discrepancy = yield* discrepancyIn(folder.metrics)
    const result: TrialResult = {
      trial,
      directory: name,
      status: "done",
      ...numbers,
      validation: scoresIn(report.validation, metrics),
      test: scoresIn(report.test, metrics),
      trainable: trainable.total,
      stateBytes: yield* stateBytesIn(folder.checkpoints),
      ...(discrepancy === undefined ? {} : { discrepancy })
    }
    return result
  })

/** Of an evaluation its numbers. */
const scoresIn = (evaluation: Report["test"], metrics: Metrics): Score | null => {
  if (evaluation === null) return null
  const { rows, loss } = evaluation
  return { ...Object.fromEntries(Object.keys(metrics).map((name) => [name, scoreOf(evaluation, name)])), rows, loss }
}

export const failedResult = (trial: Trial, name: string, reason: string): TrialResult => ({
  trial,
  directory: name,
  status: "failed",
  reason,
  validation: null,
  test: null,
  trainLoss: null,
  seconds: null,
  peakBytes: null,
  trainable: null,
  stateBytes: null,
  steps: null,
  device: null
})

/** Bytes of the optimizer's tensors in the newest checkpoint, which a run writes at its last step; null where there is none. */
const stateBytesIn = (folder: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const newest = (yield* fs.readDirectory(folder))
      .filter((name) => /^step-\d+$/.test(name))
      .sort()
      .at(-1)
    if (newest === undefined) return null
    const { tensors } = yield* readHeader(path.join(folder, newest, "state.safetensors"))
    const state = [...tensors.values()].filter(({ name }) => name.startsWith("optimizer."))
    return state.reduce((sum, { begin, end }) => sum + end - begin, 0)
  }).pipe(Effect.orElseSucceed(() => null))

const Near = Schema.Struct({ discrepancy: Schema.NullOr(Schema.Finite) })
const Probe = Schema.Struct({
  kind: Schema.Literal("diagnostics"),
  mean: Schema.Struct({ method: Near, best: Near })
})
const decodeProbe = Schema.decodeUnknownOption(Schema.fromJsonString(Probe))

/** Over the probes at which both are known; undefined where there is none. */
const discrepancyIn = (metrics: string): Effect.Effect<Discrepancy | undefined, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const text = yield* fs.readFileString(metrics).pipe(Effect.orElseSucceed(() => ""))
    const probes = text.split("\n").flatMap((line) => {
      const probe = decodeProbe(line)
      if (probe._tag === "None") return []
      const { method, best } = probe.value.mean
      return method.discrepancy === null || best.discrepancy === null
        ? []
        : [{ method: method.discrepancy, best: best.discrepancy }]
    })
    if (probes.length === 0) return undefined
    const mean = (key: keyof Discrepancy) => probes.reduce((sum, probe) => sum + probe[key] / probes.length, 0)
    return { method: mean("method"), best: mean("best") }
  })
