/**
 * From a run to a model of its own, without the adapter: W + s·BA in place of W, put in place only after the merged model, loaded again
 * from disk, has computed what the run computes. What is written, the kind of run knows.
 *
 * Everything is written into a temporary folder beside the target and renamed at the end: whatever fails or is interrupted, there is
 * the whole merged model or nothing. The run's model has left the device before the merged one is loaded.
 */
import * as Effect from "effect/Effect"
import * as Path from "effect/Path"
import { ofDevice } from "../device/index.ts"
import { inNewFolder, writeFileAtomic } from "../files/index.ts"
import { compareOutputs, MERGE_BOUND, type MergeCheck, MergeRefused, type TensorCounts } from "../output/index.ts"
import { type LoadedRun, loadRun } from "./load-run.ts"

export interface MergeOptions {
  /** the folder to make, which must not exist; `<run>/merged` unless given */
  readonly out?: string | undefined
  /** where the base model is now, if it has moved */
  readonly base?: string | undefined
}

export interface MergeReport {
  readonly directory: string
  readonly tensors: TensorCounts
  readonly check: MergeCheck
}

/** Merges the run in `directory`. */
export const mergeRun = (directory: string, { out, base }: MergeOptions = {}) =>
  mergeLoaded(directory, loadRun(directory, { base }), out)

/** Merges a run that `load` opens: its model lives no longer than it is needed. */
export const mergeLoaded = <E extends { readonly message: string }, R>(
  directory: string,
  load: Effect.Effect<LoadedRun, E, R>,
  out?: string
) =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const target = out ?? path.join(directory, "merged")
    return yield* inNewFolder(target, (folder) =>
      Effect.gen(function* () {
        const written = yield* Effect.scoped(
          Effect.flatMap(load, (run) =>
            Effect.flatMap(Effect.promise(run.kind.publisher), ({ merge }) =>
              merge(run, run.kind.splits, directory, folder)
            )
          )
        )
        const { split, unmerged, width, words } = written
        const comparison = compareOutputs(unmerged, yield* Effect.scoped(written.merged), width, words)
        const check: MergeCheck = { split, ...comparison, words, bound: MERGE_BOUND }
        // not `>`: a difference that is no number is no match either
        if (!(check.relativeDifference <= MERGE_BOUND)) return yield* new MergeRefused({ run: directory, ...check })
        yield* writeFileAtomic(path.join(folder, "README.md"), written.readme(check))
        const report: MergeReport = { directory: target, tensors: written.counts, check }
        return report
      })
    )
  }).pipe(ofDevice)
