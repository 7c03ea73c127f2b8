/** Starts of a factor pair, by the tag a plan names them with. A kind declared in `schemas/` and missing here does not compile. */
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import type { LoraInit } from "../../schemas/index.ts"
import type { DeviceReadError, FactorPair, Factors, LinearSite } from "../../src/tensors/index.ts"
import type { InitSource } from "../adapter.ts"
import { eva } from "./eva.ts"
import { gaussian } from "./gaussian.ts"
import type { Initializer, Place } from "./initializer.ts"
import { kaiming } from "./kaiming.ts"
import { loraGa } from "./lora-ga.ts"
import type { Wanted } from "./observe.ts"
import { orthogonal } from "./orthogonal.ts"
import { pissa } from "./pissa.ts"
import type { StartError } from "./start-error.ts"

const starts = { kaiming, gaussian, orthogonal, pissa, "lora-ga": loraGa, eva } satisfies {
  readonly [Kind in LoraInit["kind"]]: Initializer<Extract<LoraInit, { readonly kind: Kind }>>
}

const startOf = ({ kind }: LoraInit) => starts[kind] as Initializer<LoraInit>

/** Why a site's factors cannot start so. */
export const startProblem = (init: LoraInit, site: LinearSite, rank: number): string | undefined =>
  startOf(init).problem?.(site, rank)

/** What a start asks the data. */
export const wantedBy = (init: LoraInit): Wanted | undefined => startOf(init).wants?.(init)

/** Does a pair that starts so subtract its start? */
export const isSubtracted = (init: LoraInit): boolean => startOf(init).subtracted

/** A pair at step 0. */
export const startPair = (
  init: LoraInit,
  place: Place,
  source: InitSource
): Effect.Effect<FactorPair, StartError | DeviceReadError> => {
  const { start, subtracted } = startOf(init)
  const { site, scale } = place
  const factors = source.shapesOnly === true ? Effect.sync(() => zerosAt(place)) : start(init, place, source)
  return Effect.map(factors, ({ A, B }) => ({
    site,
    A,
    B,
    scale,
    // handles of their own: the pair's A and B are replaced by the first step, and these stay
    ...(subtracted ? { start: { A: A.clone(), B: B.clone() } } : {})
  }))
}

const zerosAt = ({ site, rank }: Place): Factors => ({
  A: tf.zeros([rank, site.in]),
  B: tf.zeros([site.out, rank])
})
