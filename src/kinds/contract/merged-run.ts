/**
 * Merging for every model that becomes a Hugging Face folder: writes the folder and its card, and compares its outputs with the run's on
 * the same rows.
 */
import * as Effect from "effect/Effect"
import * as Path from "effect/Path"
import type { Adapted } from "../../../adapters/index.ts"
import { Device } from "../../device/device.ts"
import { type Network, readBaseCard } from "../../models/index.ts"
import {
  baseIdentity,
  checkedSplit,
  codeSpan,
  type MergedCard,
  mergedCard,
  type OutputWords,
  type TensorCounts,
  type WrittenModel
} from "../../output/index.ts"
import type { SplitSource, Splits } from "../../plan/index.ts"
import type { Reported, World } from "./index.ts"

interface MergedRun<M extends Network, Source extends SplitSource> {
  readonly adapted: Adapted<M>
  /** folder of the run */
  readonly run: string
  /** folder or file of the base model */
  readonly base: string
  /** folder with the model card of the base model; default `base` */
  readonly home?: string
  /** number of values in a row of outputs */
  readonly width: number
  readonly words: OutputWords
  /** Opens the rows of the run's plan with the tokenizer of a model. */
  readonly splits: (adapted: Adapted<M>) => Effect.Effect<Splits<Source>, Reported, World>
  /** Returns outputs [rows, width] of the first rows of a split, row-major. */
  readonly outputs: (adapted: Adapted<M>, source: Source) => Effect.Effect<Float32Array, Reported, Device | World>
  /** Writes the folder without its model card. */
  readonly write: Effect.Effect<TensorCounts, Reported, Device | World>
  /** Loads the model from the written folder. */
  readonly reopened: Effect.Effect<Adapted<M>, Reported, Device | World>
  readonly card: Pick<MergedCard, "pipeline" | "introduction" | "weights" | "usage" | "compared"> & {
    readonly tags?: ReadonlyArray<string>
    /** why tensors of the base are left out of the folder, as the end of a sentence */
    readonly leftOut?: string
  }
}

/** Merges a run and verifies the result; see `Publisher.merge`. */
export const mergedRun = <M extends Network, Source extends SplitSource>({
  adapted,
  run,
  base,
  home = base,
  width,
  words,
  splits,
  outputs,
  write,
  reopened,
  card: { tags = [], leftOut = "the model does not read them", ...said }
}: MergedRun<M, Source>): Effect.Effect<WrittenModel, Reported, Device | World> =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const device = yield* Device
    /** Returns the outputs of a split without training rows if the plan has one, else of the training split. */
    const checked = (model: Adapted<M>) =>
      Effect.gen(function* () {
        const opened = yield* splits(model)
        const split = checkedSplit(opened)
        const computed = yield* outputs(model, opened[split]!)
        yield* device.sync
        return { computed: computed, split }
      }).pipe(Effect.scoped)
    device.label("the unmerged model")
    const { computed: unmerged, split } = yield* checked(adapted)
    const counts = yield* write
    yield* device.sync
    const card = {
      ...said,
      tags,
      name: path.basename(path.resolve(run)),
      method: adapted.method,
      license: (yield* readBaseCard(path.join(home, "README.md"))).license,
      base: yield* baseIdentity(base),
      counts,
      leftOut: leftOutNote(counts.leftOut, leftOut)
    }
    device.label("the merged model")
    const report: WrittenModel = {
      width,
      words,
      split,
      unmerged,
      merged: Effect.flatMap(reopened, (merged) => Effect.map(checked(merged), ({ computed }) => computed)),
      counts,
      readme: (check) => mergedCard({ ...card, check })
    }
    return report
  })

// Enough names to recognise the left-out part; a vision tower has hundreds.
const SHOWN = 4

const leftOutNote = (leftOut: ReadonlyArray<string>, why: string): ReadonlyArray<string> => {
  if (leftOut.length === 0) return []
  const more = leftOut.length > SHOWN ? ` and ${leftOut.length - SHOWN} more` : ""
  return [`Left out because ${why}: ${leftOut.slice(0, SHOWN).map(codeSpan).join(", ")}${more}.`]
}
