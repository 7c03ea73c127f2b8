/**
 * Merges a run into a standalone model without an adapter: W + s·BA replaces W. The model is put in place only after it was loaded again
 * from disk and its outputs match the run's. The run's kind writes the files.
 *
 * Everything is written to a temporary folder next to the target and renamed at the end, so a failure or interruption leaves
 * either the whole merged model or nothing. The run's model is unloaded before the merged one is loaded.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Scope from "effect/Scope"
import { ofDevice } from "../device/device.ts"
import { fileError, inNewFolder, writeFileAtomic } from "../files/index.ts"
import { compareOutputs, MERGE_BOUND, type MergeCheck, MergeRefused, type TensorCounts } from "../output/index.ts"
import { working } from "../progress/index.ts"
import type { LoadedRun } from "./load-run.ts"
import { loadTrained } from "./load-trained.ts"
import { RunError } from "./run-identity.ts"

export interface MergeOptions {
  /** folder to create, which must not exist; default `<run>/merged` */
  readonly out?: string | undefined
  /** current place of the base model, if it has moved */
  readonly base?: string | undefined
}

/** Report of a merge: the merged tensors, and how closely its outputs match the adapted model's. */
export interface MergeReport {
  /** folder of the merged model */
  readonly directory: string
  /** number of tensors that were changed, and that were copied unchanged */
  readonly tensors: TensorCounts
  /** its outputs, compared with the adapted model's */
  readonly check: MergeCheck
}

/** Merges the run or the external adapter in `directory`. */
export const mergeRun = (directory: string, { out, base }: MergeOptions = {}) =>
  mergeLoaded(directory, loadTrained(directory, { base }), out)

/** Merges a run that `load` opens, and unloads its model as soon as possible. */
export const mergeLoaded = <E extends { readonly message: string }, R>(
  directory: string,
  load: Effect.Effect<LoadedRun, E, R>,
  out?: string
) =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    if (out === undefined && /^hf:/.test(directory)) {
      return yield* new RunError({
        directory,
        reason: "is in the Hub's cache; name the folder for the merged model with --out"
      })
    }
    const target = out ?? path.join(directory, "merged")
    return yield* inNewFolder(target, (folder) =>
      Effect.map(writeMergedRun(directory, load, folder), (merged): MergeReport => ({ directory: target, ...merged }))
    )
  }).pipe(Effect.scoped, ofDevice, Effect.withSpan("merge"))

/** Writes the merged model of the run in `directory`, its check and its card to `folder`, which must be empty. */
export const writeMergedRun = <E extends { readonly message: string }, R>(
  directory: string,
  load: Effect.Effect<LoadedRun, E, R>,
  folder: string
) =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const outer = yield* Effect.scope
    const merged = yield* Effect.scoped(
      Effect.flatMap(load, (run) =>
        Effect.flatMap(Effect.promise(run.kind.publisher), ({ merge }) =>
          Effect.gen(function* () {
            const splits = yield* Scope.provide(splitsOf(run), outer)
            const merged = yield* merge(run, splits, directory, folder)
            return { ...merged, split: run.sample === undefined ? merged.split : ("sample" as const) }
          })
        )
      )
    )
    const { split, unmerged, width, words } = merged
    yield* working("comparing the merged model with the run")
    const comparison = compareOutputs(unmerged, yield* Effect.scoped(merged.merged), width, words)
    const check: MergeCheck = { split, ...comparison, words, bound: MERGE_BOUND }
    // not `>`: NaN must not count as a match
    if (!(check.relativeDifference <= MERGE_BOUND)) return yield* new MergeRefused({ run: directory, ...check })
    yield* writeFileAtomic(path.join(folder, "README.md"), merged.readme(check))
    const report: Omit<MergeReport, "directory"> = { tensors: merged.counts, check }
    return report
  })

/** Opens the rows to compare: the run's, or the sample of an adapter without rows. */
const splitsOf = (run: LoadedRun) =>
  Effect.gen(function* () {
    const { kind, sample } = run
    if (sample === undefined) return kind.splits
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const folder = yield* fs.makeTempDirectoryScoped().pipe(Effect.mapError(fileError("write", "a temporary folder")))
    const file = path.join(folder, "sample.jsonl")
    yield* writeFileAtomic(file, sample.map((row) => `${JSON.stringify(row)}\n`).join(""))
    const splits: LoadedRun["kind"]["splits"] = (adapted, plan) => kind.splits(adapted, plan, file)
    return splits
  })
