/** What GoRA (`gora.ts`) works out of gradients: the importance of each site, and a pair. Loaded where a plan has it. */
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import { dequantized } from "../../src/kernels/index.ts"
import { solvedRows, timesTransposed } from "../../src/linalg/index.ts"
import { type DeviceReadError, type Factors, type LinearSite, readTensor, tidy } from "../../src/tensors/index.ts"
import type { InitSource, RankBounds, SiteOptions } from "../adapter.ts"
import type { Calibration, InitError } from "./calibration.ts"
import { withoutGradient } from "./gradient.ts"
import type { Place, RankedOptions } from "./initializer.ts"
import { kaimingRows } from "./kaiming.ts"

const DAMPING = 1e-8

/** mean |W ∘ G| */
const importanceOf = (
  calibration: Calibration,
  site: LinearSite,
  { W, calibrate }: InitSource
): Effect.Effect<number, InitError | DeviceReadError> =>
  Effect.gen(function* () {
    const G = yield* calibrate(site, calibration)
    const mean = tidy(() => {
      const importance = tf.mean(tf.abs(tf.mul(dequantized(W), G)))
      G.dispose()
      return importance
    })
    const [importance] = yield* readTensor(mean, `the importance of ${site.name}`).pipe(
      Effect.ensuring(Effect.sync(() => mean.dispose()))
    )
    if (Number.isFinite(importance)) return importance!
    return yield* withoutGradient(site.name, calibration, "not finite")
  })

type Site = SiteOptions<Pick<RankedOptions, "rank">>

/** Sites by the ranks of the plan, what a rank costs at each, and the ranks that each may have. */
interface Budget {
  readonly sites: ReadonlyArray<Site>
  readonly cost: (site: LinearSite) => number
  readonly bounds: (site: Site) => RankBounds
}

/** Returns the ranks of all layers: fractions of the budget by importance, within bounds. */
export const movedRanks = (
  calibration: Calibration,
  { sites, cost, bounds }: Budget,
  sourceOf: (site: LinearSite) => InitSource
): Effect.Effect<ReadonlyArray<number>, InitError | DeviceReadError> =>
  Effect.gen(function* () {
    const importances = yield* Effect.forEach(sites, ({ site }) => importanceOf(calibration, site, sourceOf(site)))
    if (importances.every((importance) => importance === 0))
      return yield* withoutGradient("any layer", calibration, "zero")
    const sum = importances.reduce((total, importance) => total + importance, 0)
    const budget = sites.reduce((total, { site, options }) => total + cost(site) * options.rank, 0)
    return sites.map((one, i) => {
      const { least, most } = bounds(one)
      const share = Math.round((budget * importances[i]!) / sum)
      return Math.min(Math.max(Math.floor(share / cost(one.site)), least), most)
    })
  })

/** Returns A, and the B with which s·BA is one step along the gradient. */
export const stepWithin = (
  calibration: Calibration,
  gamma: number,
  { site, rank, scale }: Place,
  { calibrate, random }: InitSource
): Effect.Effect<Factors, InitError | DeviceReadError> =>
  Effect.gen(function* () {
    const values = kaimingRows(rank, site.in, random)
    const G = yield* calibrate(site, calibration)
    const GAt = tidy(() => {
      const product = tf.matMul(G, tf.tensor2d(values, [rank, site.in]), false, true)
      G.dispose()
      return product
    })
    const read = yield* readTensor(GAt, `the gradient of ${site.name}`).pipe(
      Effect.ensuring(Effect.sync(() => GAt.dispose()))
    )
    if (!read.every(Number.isFinite)) return yield* withoutGradient(site.name, calibration, "not finite")
    const rows = Float64Array.from(values)
    const gram = timesTransposed(rows, rows, rank, rank, site.in)
    for (let i = 0; i < rank; i++) gram[i * (rank + 1)]! += DAMPING
    const step = (-gamma * Math.sqrt(site.in / rank)) / scale
    const B = Float32Array.from(solvedRows(read, site.out, gram, rank), (value) => step * value)
    return { A: tf.tensor2d(values, [rank, site.in]), B: tf.tensor2d(B, [site.out, rank]) }
  })
