/**
 * Arithmetic of adapters of one base, as with task vectors (Ilharco et al. 2023, arXiv 2212.04089):
 *
 *   θ = θ₀ + Σ wₖ (θₖ − θ₀)
 *
 * For factors the sum is exact: they are concatenated, and ranks add up. `rank` reduces a layer to a lower rank
 * by truncated SVD, as does a layer whose weight is too small for the sum; the error is measured on the factors as
 * stored, and reported. Parameters trained in full (head, modules to save, all of method "full") are summed element-wise.
 * Each method defines how its adapters are summed (`AdapterMethod.sum`), or why they cannot be.
 */
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import { matches, methods } from "../../adapters/index.ts"
import type { AdapterConfig } from "../../schemas/index.ts"
import type { LayersNetwork } from "../models/layers-model/index.ts"
import { type DeviceReadError, everyTensorOf, type LinearSite, type Trainable } from "../tensors/index.ts"
import { type AdaptError, adaptError } from "./errors.ts"
import { type HeldAdapter, initAdapter } from "./held-adapter.ts"
import { type SummedSite, summedSite, type Term } from "./low-rank.ts"

/** Throws an `AdaptError` if the weights or the rank of a sum are invalid. `base`: name of the base model. */
export const checkTerms = (
  base: string,
  terms: ReadonlyArray<{ readonly name: string; readonly weight: number }>,
  rank: number | undefined
): void => {
  if (terms.length === 0) throw adaptError(base, "weights: found none; expected one number for each adapter of the sum")
  const wrong = terms.find(({ weight }) => !Number.isFinite(weight))
  if (wrong !== undefined) {
    throw adaptError(base, `weights.${wrong.name}: found ${wrong.weight}; expected a finite number`)
  }
  if (rank !== undefined && !(Number.isInteger(rank) && rank >= 1)) {
    throw adaptError(base, `rank: found ${rank}; expected an integer of at least 1`)
  }
}

/** One layer of a combined adapter: its rank, and the error of the truncation. */
export interface CombinedSite {
  /** name of the layer */
  readonly site: string
  /** rank of the sum: the ranks of its terms added up, or the rank that they were truncated to */
  readonly rank: number
  /** relative error ‖ΔW − Σ wₖ ΔWₖ‖ / ‖Σ wₖ ΔWₖ‖ (Frobenius norm); float32 rounding if the rank was not truncated */
  readonly error: number
}

/** Result of `combine`: the error of the combined adapter. */
export interface Combined {
  /** relative error over all layers together */
  readonly error: number
  /** layers, in the model's order */
  readonly sites: ReadonlyArray<CombinedSite>
}

/** What a plan's `adapter.rank` allows. */
const MOST_RANK = 1024

/** Returns the sum as a new adapter. `rank`: largest rank per layer; absent: no limit. */
export const combinedAdapter = (
  network: LayersNetwork,
  terms: ReadonlyArray<Term>,
  rank = MOST_RANK
): Effect.Effect<{ readonly adapter: HeldAdapter; readonly report: Combined }, AdaptError | DeviceReadError> =>
  Effect.gen(function* () {
    const problem = methodProblem(terms)
    if (problem !== undefined) return yield* adaptError(network.base.name, problem)
    const sites = yield* Effect.forEach(factorSites(network, terms), (site) => summedSite(site, terms, rank))
    const config = combinedConfig(network, terms, sites)
    const adapter = yield* initAdapter(network, { config, seed: 0 }, { shapesOnly: true }).pipe(
      Effect.catchTag("InitError", ({ message }) => adaptError(network.base.name, message))
    )
    replaceTree(adapter, sites, terms)
    const total = sites.reduce((sum, { squared }) => sum + squared, 0)
    const lost = sites.reduce((sum, { lost }) => sum + lost, 0)
    const report = sites.map(({ site, product, lost, squared }) => ({
      site: site.name,
      rank: product.rank,
      error: relative(lost, squared)
    }))
    return { adapter, report: { error: relative(lost, total), sites: report } }
  })

const relative = (lost: number, squared: number): number => (squared === 0 ? 0 : Math.sqrt(lost / squared))

const methodProblem = (terms: ReadonlyArray<Term>): string | undefined => {
  const termMethods = terms.map(({ name, adapter }) => ({ name, method: adapter.adapted.method }))
  for (const { name, method } of termMethods) {
    if (method.sum.by !== null) continue
    const summed = Object.values(methods).flatMap(({ sum, tag }) => (sum.by === null ? [] : [`"${tag}"`]))
    const expected = `${summed.slice(0, -1).join(", ")} or ${summed.at(-1)}`
    return `"${name}" is of method "${method.tag}", ${method.sum.because}; expected adapters of ${expected}`
  }
  const weights = termMethods.some(({ method }) => method.trains === "weights")
  if (weights && termMethods.some(({ method }) => method.sum.by === "factors")) {
    const namesText = termMethods.map(({ name, method }) => `"${name}" (${method.tag})`).join(", ")
    return `found ${namesText}; expected either only adapters with factors, or only adapters without: other sums are not supported`
  }
  return undefined
}

/** Every site that one of them has factors at, in the network's order. */
const factorSites = (network: LayersNetwork, terms: ReadonlyArray<Term>): ReadonlyArray<LinearSite> => {
  const names = new Set(
    terms.flatMap(({ adapter: { adapted } }) =>
      adapted.method.sum.by === "factors" ? adapted.sites.map(({ name }) => name) : []
    )
  )
  return network.sites.filter(({ name }) => names.has(name))
}

/** Puts the sums in place of the numbers that the adapter started with. */
const replaceTree = ({ adapted }: HeldAdapter, sites: ReadonlyArray<SummedSite>, terms: ReadonlyArray<Term>): void => {
  const before = adapted.trainable
  const products = new Map(sites.map(({ site, product }) => [site.name, product]))
  const after: Trainable = {
    pairs: before.pairs.map((pair) => {
      const { A, B, rank } = products.get(pair.site.name)!
      return {
        ...pair,
        A: tf.tensor2d(Float32Array.from(A), [rank, pair.site.in]),
        B: tf.tensor2d(Float32Array.from(B), [pair.site.out, rank])
      }
    }),
    dense: before.dense.map((parameter) => ({
      ...parameter,
      value: summedDense(parameter.name, parameter.value, terms)
    }))
  }
  adapted.trainable = after
  tf.dispose([...everyTensorOf(before)])
}

/** θ₀ + Σ wₖ (θₖ − θ₀); `base` is θ₀, where a fresh adapter starts. */
const summedDense = (name: string, base: tf.Tensor, terms: ReadonlyArray<Term>): tf.Tensor =>
  tf.tidy(() => {
    const differences = terms.flatMap(({ weight, adapter }) => {
      const match = adapter.adapted.trainable.dense.find((parameter) => parameter.name === name)
      return match === undefined ? [] : [tf.mul(tf.sub(match.value, base), weight)]
    })
    return differences.length === 0 ? tf.clone(base) : tf.add(base, tf.addN(differences))
  })

/** The configuration of a sum of adapters: factors with s = 1 at every site that one of them has, or what is trained itself. */
const combinedConfig = (
  network: LayersNetwork,
  terms: ReadonlyArray<Term>,
  sites: ReadonlyArray<Pick<SummedSite, "site" | "product">>
): AdapterConfig => {
  const modulesToSave = [...new Set(terms.flatMap(({ adapter }) => adapter.selected.parameters.map(moduleOf)))]
  if (sites.length > 0) return factorConfig(network, sites, modulesToSave)
  const trained = terms.flatMap(({ adapter }) => adapter.selected.sites.map(({ site }) => site.name))
  if (trained.length === 0) return { method: "none", modulesToSave }
  return { method: "full", ...targetsOf(network, [...new Set(trained)]), modulesToSave }
}

const moduleOf = (parameter: string): string => parameter.slice(0, parameter.lastIndexOf("."))

const factorConfig = (
  network: LayersNetwork,
  sites: ReadonlyArray<Pick<SummedSite, "site" | "product">>,
  modulesToSave: ReadonlyArray<string>
): AdapterConfig => {
  const rank = sites[0]!.product.rank
  const same = sites.every(({ product }) => product.rank === rank)
  // a name without a dot means layers inside nested models as well: those come later, and win
  const ordered = [...sites].sort((a, b) => Number(a.site.name.includes(".")) - Number(b.site.name.includes(".")))
  return {
    method: "lora",
    rank,
    alpha: rank,
    scaling: "standard",
    init: { kind: "kaiming" },
    ...targetsOf(
      network,
      sites.map(({ site }) => site.name)
    ),
    overrides: same
      ? []
      : ordered.map(({ site, product }) => ({ targets: [site.name], rank: product.rank, alpha: product.rank })),
    dropout: 0,
    modulesToSave
  }
}

/** Patterns that mean these sites and no others. */
const targetsOf = ({ sites, prefix }: LayersNetwork, targets: ReadonlyArray<string>) => ({
  targets,
  exclude: sites
    .map(({ name }) => name)
    .filter((name) => !targets.includes(name) && targets.some((target) => matches(target, name, prefix)))
})
