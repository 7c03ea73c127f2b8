/**
 * PiSSA: the pair starts at the best approximation of W that it can be, s·BA = U_r diag(S_r) V_rᵀ, and what is left of W is frozen
 * (Meng, Wang & Zhang 2024, arXiv 2404.02948).
 *
 *   A = diag(√(S_r / s)) V_rᵀ   [r, in]
 *   B = U_r diag(√(S_r / s))    [out, r]
 *
 * as PEFT's `init_lora_weights="pissa"` has it. What the pair begins with is subtracted (`Trainable.frozen`) instead of changing W: the base stays as it
 * lies, packed or shared. Of a packed W it is that of the dequantized one. Weight decay, as everywhere, is of BA: here it shrinks the part
 * of W that BA holds.
 *
 * The decomposition is the host's, in float64: exact, or randomised with `iterations` power iterations ("pissa_niter_[n]" in PEFT).
 */
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import type { LoraInit } from "../../schemas/index.ts"
import { initFacts } from "../../schemas/index.ts"
import { dequantized } from "../../src/kernels/index.ts"
import type { TruncatedSvd } from "../../src/linalg/index.ts"
import { type Factors, readTensor, tidy } from "../../src/tensors/index.ts"
import type { InitSource } from "../adapter.ts"
import { InitError } from "./calibration.ts"
import type { Initializer, Place } from "./initializer.ts"

type Pissa = Extract<LoraInit, { readonly kind: "pissa" }>

const failed = ({ site }: Place, reason: string) => new InitError({ site: site.name, init: "pissa", reason })

/** The numbers of W, dequantized where it is packed. */
const readWeight = ({ W }: InitSource, { site }: Place) =>
  Effect.acquireUseRelease(
    Effect.sync(() => tidy(() => dequantized(W).clone())),
    (whole) => Effect.map(readTensor(whole, `${site.name}.weight`), (values) => values as Float32Array),
    (whole) => Effect.sync(() => whole.dispose())
  )

const decomposed = (
  values: Float32Array,
  { iterations }: Pissa,
  place: Place,
  { random }: InitSource
): Effect.Effect<TruncatedSvd, InitError> => {
  const { site, rank } = place
  // loaded where it is asked for: most inits of a page decompose nothing
  return Effect.flatMap(
    Effect.promise(() => import("../../src/linalg/truncated-svd.ts")),
    ({ NotFiniteMatrix, truncatedSvd }) => {
      try {
        const randomised = iterations === undefined ? undefined : { iterations, random }
        return Effect.succeed(truncatedSvd(values, [site.out, site.in], rank, randomised))
      } catch (error) {
        if (!(error instanceof NotFiniteMatrix)) throw error
        const { row, column, value } = error
        return Effect.fail(
          failed(place, `W[${row}, ${column}] is ${value}, expected finite numbers; repair the model's weights`)
        )
      }
    }
  )
}

const factorsOf = ({ U, S, V }: TruncatedSvd, { site, rank, scale }: Place): Factors => {
  const roots = S.map((sigma) => Math.sqrt(sigma / scale))
  const B = Float32Array.from(U, (u, i) => u * roots[i % rank]!)
  const A = new Float32Array(rank * site.in)
  for (let i = 0; i < rank; i++) for (let j = 0; j < site.in; j++) A[i * site.in + j] = roots[i]! * V[j * rank + i]!
  return { A: tf.tensor2d(A, [rank, site.in]), B: tf.tensor2d(B, [site.out, rank]) }
}

/** With A's row and B's column at 0 neither ever has a gradient. */
const tooFew = (rankOfW: number, { rank }: Place): string =>
  rankOfW === 0
    ? 'W is all zeros, so A and B would start at 0 and never change; exclude the site, or use init "kaiming"'
    : `W has rank ${rankOfW}, and what a pair of rank ${rank} has beyond that would start at 0 in A and in B and never move; give the site a rank of at most ${rankOfW}, or leave it out`

/** PiSSA. */
export const pissa: Initializer<Pissa> = {
  ...initFacts.pissa,
  init: (config, place, source) =>
    Effect.gen(function* () {
      const values = yield* readWeight(source, place)
      // a decomposition may take a second: signals are heard between two
      yield* Effect.sleep(0)
      const svd = yield* decomposed(values, config, place, source)
      const nonzero = svd.S.filter((sigma) => sigma > 0).length
      if (nonzero < place.rank) return yield* failed(place, tooFew(nonzero, place))
      return factorsOf(svd, place)
    }),
  compared: { learningRates: [1e-4, 3e-4, 6e-4, 1e-3] }
}
