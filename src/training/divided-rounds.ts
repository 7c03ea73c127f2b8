/** Division of a step's micro-batches among ranks, and the size of the messages; `validate` reports both. */
import { type Range, rangesOf } from "../ranks/index.ts"

/** Gradients that are held on the host at a time, of all ranks together. */
const ROUND_BYTES = 256e6

/** Returns the micro-batches that each rank differentiates, round by round. `width`: number of values of one, its loss and its gradients. */
export const dividedRounds = (count: number, width: number, size: number): ReadonlyArray<ReadonlyArray<Range>> => {
  const perRound = Math.max(size, Math.floor(ROUND_BYTES / (4 * width)))
  return Array.from({ length: Math.ceil(count / perRound) }, (_, round) => {
    const first = round * perRound
    return rangesOf(Math.min(perRound, count - first), size).map(({ start, end }) => ({
      start: first + start,
      end: first + end
    }))
  })
}

/** Returns the size of each rank's message in a round, in bytes. */
export const bytesPerRank = (ranges: ReadonlyArray<Range>, width: number): ReadonlyArray<number> =>
  ranges.map(({ start, end }) => 4 * (1 + (end - start) * width))
