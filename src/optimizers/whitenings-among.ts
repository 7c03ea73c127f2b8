/**
 * Division of whitenings among the ranks of a run, loaded if there are several: each rank whitens some pairs and sends the matrices. A
 * pair's matrices have the same bits whichever pairs it is whitened with.
 */
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import { groupsOf, type Whitened, type Whitening } from "../kernels/index.ts"
import { floats, type RankError, type RanksShape, rangesOf } from "../ranks/index.ts"
import { type DeviceReadError, type FactorPair, readTogether, tensorsFrom } from "../tensors/index.ts"
import { whiteningNumbers } from "./optimizer.ts"

const MATRICES = ["TB", "TBgrad", "TAt", "TAgrad", "S"] as const

/** Returns the whitenings of all pairs; each rank computes a consecutive part by `whiten`, and sends 5r² + 1 values per pair. */
export const whitenAmong = (
  { rank, size, allGather }: RanksShape,
  pairs: ReadonlyArray<FactorPair>,
  whiten: (rankPairs: ReadonlyArray<FactorPair>) => Effect.Effect<Whitened, DeviceReadError>
): Effect.Effect<Whitened, DeviceReadError | RankError> =>
  Effect.gen(function* () {
    const ranges = rangesOf(pairs.length, size)
    const lengths = ranges.map(({ start, end }) =>
      pairs.slice(start, end).reduce((sum, { A }) => sum + whiteningNumbers(A.shape[0]), 0)
    )
    const { start, end } = ranges[rank]!
    const numbers = start === end ? new Float32Array() : yield* numbersIn(yield* whiten(pairs.slice(start, end)))
    const gathered = (yield* allGather(
      floats.write(numbers),
      lengths.map((length) => 4 * length)
    )).map(floats.read)
    const whitenings = ranges.flatMap((range, of) => {
      const rangePairs = pairs.slice(range.start, range.end)
      const shapes = rangePairs.flatMap(
        ({
          A: {
            shape: [r]
          }
        }) => MATRICES.map(() => [r, r])
      )
      const matrices = tensorsFrom(gathered[of]!, shapes, rangePairs.length) as ReadonlyArray<tf.Tensor2D> // after the eigenvalues
      return groupsOf(matrices, MATRICES.length).map((all): Whitening => {
        const [TB, TBgrad, TAt, TAgrad, S] = all
        return { TB: TB!, TBgrad: TBgrad!, TAt: TAt!, TAgrad: TAgrad!, S: S! }
      })
    })
    const smallest = new Float32Array(pairs.length)
    for (const [of, range] of ranges.entries())
      smallest.set(gathered[of]!.subarray(0, range.end - range.start), range.start)
    return { whitenings, smallest: tf.tensor1d(smallest) }
  })

/** Eigenvalues, then the matrices of each pair; disposes them. */
const numbersIn = ({ whitenings, smallest }: Whitened) => {
  const tensors = [smallest, ...whitenings.flatMap((whitening) => MATRICES.map((name) => whitening[name]))]
  return Effect.ensuring(
    readTogether(tensors, "the whitenings that this rank has made"),
    Effect.sync(() => tf.dispose(tensors))
  )
}
