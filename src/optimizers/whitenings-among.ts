/**
 * Whitenings shared among the ranks of a run, which are loaded where there are several: each rank whitens some pairs, and the matrices travel. A
 * pair's are the same bits whichever pairs it is whitened with.
 */
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import type { Whitened, Whitening } from "../kernels/index.ts"
import { floats, type RankError, type RanksShape, rangesOf } from "../ranks/index.ts"
import { type DeviceReadError, type FactorPair, readTensor } from "../tensors/index.ts"
import { whiteningNumbers } from "./whitening-numbers.ts"

const MATRICES = ["TB", "TBgrad", "TAt", "TAgrad", "S"] as const

/** Whitenings of all pairs, of which each rank makes some consecutive ones by `whiten`; 5r² + 1 numbers a pair travel. */
export const whitenAmong = (
  { rank, size, allGather }: RanksShape,
  pairs: ReadonlyArray<FactorPair>,
  whiten: (own: ReadonlyArray<FactorPair>) => Effect.Effect<Whitened, DeviceReadError>
): Effect.Effect<Whitened, DeviceReadError | RankError> =>
  Effect.gen(function* () {
    const ranges = rangesOf(pairs.length, size)
    const lengths = ranges.map(({ start, end }) =>
      pairs.slice(start, end).reduce((sum, { A }) => sum + whiteningNumbers(A.shape[0]), 0)
    )
    const { start, end } = ranges[rank]!
    const own = start === end ? new Float32Array() : yield* numbersIn(yield* whiten(pairs.slice(start, end)))
    const said = (yield* allGather(
      floats.write(own),
      lengths.map((length) => 4 * length)
    )).map(floats.read)
    const whitenings = ranges.flatMap((range, of) => {
      let at = range.end - range.start // after the eigenvalues
      return pairs.slice(range.start, range.end).map(({ A }): Whitening => {
        const r = A.shape[0]
        const matrix = () => {
          at += r * r
          return tf.tensor2d(said[of]!.subarray(at - r * r, at), [r, r])
        }
        return { TB: matrix(), TBgrad: matrix(), TAt: matrix(), TAgrad: matrix(), S: matrix() }
      })
    })
    const smallest = new Float32Array(pairs.length)
    for (const [of, range] of ranges.entries())
      smallest.set(said[of]!.subarray(0, range.end - range.start), range.start)
    return { whitenings, smallest: tf.tensor1d(smallest) }
  })

/** Eigenvalues, then the matrices of each pair; disposes them. */
const numbersIn = ({ whitenings, smallest }: Whitened) =>
  Effect.acquireUseRelease(
    Effect.sync(() => [smallest, ...whitenings.flatMap((own) => MATRICES.map((name) => own[name]))]),
    (tensors) =>
      Effect.gen(function* () {
        const all = new Float32Array(tensors.reduce((sum, { size }) => sum + size, 0))
        let end = 0
        for (const tensor of tensors) {
          all.set(yield* readTensor(tensor, "a whitening"), end)
          end += tensor.size
        }
        return all
      }),
    (tensors) => Effect.sync(() => tf.dispose(tensors))
  )
