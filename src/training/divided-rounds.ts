/** How the micro-batches of a step are divided among ranks, and what is sent for them; `validate` says so beforehand. */
import { type Range, rangesOf } from "../ranks/index.ts"

/** Gradients that are held on the host at a time, of all ranks together. */
const ROUND_BYTES = 256e6

/** Which micro-batches each rank differentiates, round by round. `width`: numbers of one, its loss and its gradients. */
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

/** Bytes of what each rank says in a round. */
export const saidBytes = (ranges: ReadonlyArray<Range>, width: number): ReadonlyArray<number> =>
  ranges.map(({ start, end }) => 4 * (1 + (end - start) * width))
