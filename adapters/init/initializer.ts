/** How the two factors of a site are initialized. One file per kind; `index.ts` has the table. */
import type * as Effect from "effect/Effect"
import type { InitFacts, LoraConfig } from "../../schemas/index.ts"
import type { DeviceReadError, Factors, LinearSite } from "../../src/tensors/index.ts"
import type { InitRanks, InitSource } from "../adapter.ts"
import type { InitError } from "./calibration.ts"

/** The pair to initialize. */
export interface Place {
  readonly site: LinearSite
  readonly rank: number
  /** s of s·BA */
  readonly scale: number
}

/** What ranks and their scale are, whatever else the options have. */
export type RankedOptions = Pick<LoraConfig, "rank" | "alpha" | "scaling">

export interface ComparedInit {
  /** of AdamW, worth a try */
  readonly learningRates: ReadonlyArray<number>
  /** that its paper has (default "standard") */
  readonly scaling?: LoraConfig["scaling"]
}

export interface Initializer<Config> extends InitFacts<Config> {
  /** Why this site cannot have it. */
  readonly problem?: (site: LinearSite, rank: number, config: Config) => string | undefined
  /** How it decides ranks; undefined: they are the plan's. Absent: that is so whatever the options. */
  readonly ranks?: (config: Config) => InitRanks<RankedOptions> | undefined
  /** New tensors. */
  readonly init: (
    config: Config,
    place: Place,
    source: InitSource
  ) => Effect.Effect<Factors, InitError | DeviceReadError>
  /** in `compare`; null where it is no method of its own there */
  readonly compared: ComparedInit | null
}
