/** Which ranks EVA (`eva.ts`) moves where: by the variance that directions explain. Loaded where a plan moves ranks. */
import type { Scalar, Tensor2D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import type { TruncatedSvd } from "../../src/linalg/index.ts"
import { type DeviceReadError, type LinearSite, readTensor, tidy } from "../../src/tensors/index.ts"

/** λᵢ/Σλ, the largest first; none where the inputs are all the same. `look`: at a covariance, shown before it is used up. */
export const explained = <E>(
  { name, in: inputs }: LinearSite,
  look: (see: (covariance: Tensor2D) => void) => Effect.Effect<TruncatedSvd | "zero", E>
): Effect.Effect<ReadonlyArray<number>, E | DeviceReadError> =>
  Effect.suspend(() => {
    const traces: Array<Scalar> = []
    const trace = (C: Tensor2D) =>
      void traces.push(
        tidy(() => tf.sum<Scalar>(tf.stridedSlice(tf.reshape(C, [inputs * inputs]), [0], [inputs ** 2], [inputs + 1])))
      )
    return Effect.gen(function* () {
      const found = yield* look(trace)
      if (found === "zero") return []
      const [total] = yield* readTensor(traces[0]!, `the variance of the inputs of ${name}`)
      return Array.from(found.S, (variance) => variance / total!)
    }).pipe(Effect.ensuring(Effect.sync(() => tf.dispose(traces))))
  })

/** How often each site is among the `budget` largest shares of all. */
export const countedRanks = (shares: ReadonlyArray<ReadonlyArray<number>>, budget: number): ReadonlyArray<number> => {
  const all = shares.flatMap((own, site) => own.map((share) => ({ site, share })))
  const ranks = shares.map(() => 0)
  // sorting is stable: of equal shares those of the first site come first
  for (const { site } of all.sort((a, b) => b.share - a.share).slice(0, budget)) ranks[site]! += 1
  return ranks
}
