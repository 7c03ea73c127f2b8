/** Initializers of a layer's factors. One file per kind; `index.ts` lists them. */
import type * as Effect from "effect/Effect"
import type { InitFacts, LoraConfig } from "../../schemas/index.ts"
import type { DeviceReadError, Factors, LinearSite } from "../../src/tensors/index.ts"
import type { InitRanks, InitSource } from "../adapter.ts"
import type { InitError } from "./calibration.ts"

/** Pair to initialize. */
export interface Place {
  readonly site: LinearSite
  readonly rank: number
  /** scale s of s·BA */
  readonly scale: number
}

/** Options that determine rank and scale, whatever the others are. */
export type RankedOptions = Pick<LoraConfig, "rank" | "alpha" | "scaling">

/** Method of `compare` for an init. */
export interface ComparedInit {
  /** AdamW learning rates to try */
  readonly learningRates: ReadonlyArray<number>
  /** scaling in its paper; default "standard" */
  readonly scaling?: LoraConfig["scaling"]
}

/** An init: its facts, its method in `compare`, and its implementation. */
export interface Initializer<Config> extends InitFacts<Config> {
  /** Returns why a layer cannot have this init, or undefined. */
  readonly problem?: (site: LinearSite, rank: number, config: Config) => string | undefined
  /** Returns how it decides ranks; undefined: the plan sets them. Absent: the plan always does. */
  readonly ranks?: (config: Config) => InitRanks<RankedOptions> | undefined
  /** Returns the factors as new tensors. */
  readonly init: (
    config: Config,
    place: Place,
    source: InitSource
  ) => Effect.Effect<Factors, InitError | DeviceReadError>
  /** its method in `compare`; null if it is not a separate method there */
  readonly compared: ComparedInit | null
}
