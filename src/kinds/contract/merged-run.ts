/**
 * What merging is for every model that becomes a Hugging Face folder: what the run says of some rows, the folder with its card, and what the
 * folder says of the same rows as anyone would load it.
 */
import * as Effect from "effect/Effect"
import * as Path from "effect/Path"
import type { Adapted } from "../../../adapters/index.ts"
import { Device } from "../../device/device.ts"
import type { Network } from "../../models/index.ts"
import {
  baseIdentity,
  codeSpan,
  type MergedCard,
  mergedCard,
  type OutputWords,
  readBaseCard,
  type TensorCounts,
  type WrittenModel
} from "../../output/index.ts"
import type { Reported, World } from "./index.ts"

/** Outputs [rows, width] of the first rows of a split, row-major. */
export interface CheckedOutputs {
  readonly outputs: Float32Array
  readonly split: WrittenModel["split"]
}

type Checking = Effect.Effect<CheckedOutputs, Reported, Device | World>

interface MergedRun<M extends Network> {
  readonly adapted: Adapted<M>
  /** the run's folder */
  readonly run: string
  /** the base's folder or file */
  readonly base: string
  /** where the base's own card is; the base unless given */
  readonly home?: string
  /** numbers in a row of outputs */
  readonly width: number
  readonly words: OutputWords
  readonly unmerged: Checking
  /** Writes the folder but for its card. */
  readonly write: Effect.Effect<TensorCounts, Reported, Device | World>
  /** the same rows in the folder */
  readonly merged: Checking
  readonly card: Pick<MergedCard, "pipeline" | "introduction" | "weights" | "usage" | "compared"> & {
    readonly tags?: ReadonlyArray<string>
    /** why tensors of the base are not in the folder, the end of a sentence */
    readonly leftOut?: string
  }
}

/** See `Publisher.merge`. */
export const mergedRun = <M extends Network>({
  adapted,
  run,
  base,
  home = base,
  width,
  words,
  unmerged,
  write,
  merged,
  card: { tags = [], leftOut = "the model does not read them", ...said }
}: MergedRun<M>): Effect.Effect<WrittenModel, Reported, Device | World> =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const device = yield* Device
    device.label("the unmerged model")
    const { outputs, split } = yield* unmerged
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
    const written: WrittenModel = {
      width,
      words,
      split,
      unmerged: outputs,
      merged: Effect.map(merged, (again) => again.outputs),
      counts,
      readme: (check) => mergedCard({ ...card, check })
    }
    return written
  })

// Enough to recognise what it was; a vision tower has hundreds.
const SHOWN = 4

const leftOutNote = (leftOut: ReadonlyArray<string>, why: string): ReadonlyArray<string> => {
  if (leftOut.length === 0) return []
  const more = leftOut.length > SHOWN ? ` and ${leftOut.length - SHOWN} more` : ""
  return [`Left out, since ${why}: ${leftOut.slice(0, SHOWN).map(codeSpan).join(", ")}${more}.`]
}
