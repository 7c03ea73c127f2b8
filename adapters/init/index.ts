/** Inits of a factor pair, by their tag in plans. TypeScript requires an entry for every kind in `schemas/`. */
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import type { LoraInit } from "../../schemas/index.ts"
import { factsOfInit } from "../../schemas/index.ts"
import type { DeviceReadError, Factors, LinearSite, Trainable } from "../../src/tensors/index.ts"
import type { InitRanks, InitSource } from "../adapter.ts"
import type { Calibration, InitError } from "./calibration.ts"
import { eva } from "./eva.ts"
import { gaussian } from "./gaussian.ts"
import { gora } from "./gora.ts"
import type { Initializer, Place, RankedOptions } from "./initializer.ts"
import { kaiming } from "./kaiming.ts"
import { loraGa } from "./lora-ga.ts"
import { loraOne } from "./lora-one.ts"
import { orthogonal } from "./orthogonal.ts"
import { pissa } from "./pissa.ts"

/** Every init by its tag in plans. */
export const initializers = {
  kaiming,
  gaussian,
  orthogonal,
  pissa,
  "lora-ga": loraGa,
  "lora-one": loraOne,
  gora,
  eva
} satisfies {
  readonly [Kind in LoraInit["kind"]]: Initializer<Extract<LoraInit, { readonly kind: Kind }>>
}

const initializerOf = ({ kind }: LoraInit) => initializers[kind] as Initializer<LoraInit>

/** Returns why a layer's factors cannot be initialized with this init, or undefined. */
export const initProblem = (init: LoraInit, site: LinearSite, rank: number): string | undefined =>
  initializerOf(init).problem?.(site, rank, init)

/** Returns the training data that an init needs; undefined: none. */
export const calibrationOf = (init: LoraInit): Calibration | undefined => {
  const calibration = factsOfInit(init).calibration?.(init)
  return calibration === undefined ? undefined : { init: init.kind, ...calibration }
}

/** Returns how an init decides ranks; undefined: the plan sets them. */
export const initRanksOf = (init: LoraInit): InitRanks<RankedOptions> | undefined => initializerOf(init).ranks?.(init)

/** Returns whether the initial BA of a pair is subtracted. */
export const isSubtracted = (init: LoraInit): boolean => factsOfInit(init).subtracted

/** Returns a layer's pair at step 0, and its initial factors A₀ and B₀ if they are subtracted. */
export const initPair = (
  init: LoraInit,
  place: Place,
  source: InitSource
): Effect.Effect<Required<Pick<Trainable, "pairs" | "frozen">>, InitError | DeviceReadError> => {
  const { site, scale } = place
  const factors =
    source.shapesOnly === true ? Effect.sync(() => zerosAt(place)) : initializerOf(init).init(init, place, source)
  return Effect.map(factors, ({ A, B }) => ({
    pairs: [{ site, A, B, scale }],
    // handles of their own: the pair's A and B are replaced by the first step, and these stay
    frozen: isSubtracted(init) ? [A.clone(), B.clone()] : []
  }))
}

const zerosAt = ({ site, rank }: Place): Factors => ({
  A: tf.zeros([rank, site.in]),
  B: tf.zeros([site.out, rank])
})
