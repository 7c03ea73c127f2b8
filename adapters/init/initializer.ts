/** How the two factors of one site start. One file per way; `index.ts` has the table. */
import type * as Effect from "effect/Effect"
import type { DeviceReadError, Factors, LinearSite } from "../../src/tensors/index.ts"
import type { InitSource } from "../adapter.ts"
import type { Wanted } from "./observe.ts"
import type { StartError } from "./start-error.ts"

/** The pair that is to start. */
export interface Place {
  readonly site: LinearSite
  readonly rank: number
  /** s of s·BA */
  readonly scale: number
}

export interface Initializer<Config> {
  /** Why it cannot be had at this site. */
  readonly problem?: (site: LinearSite, rank: number) => string | undefined
  /** What it will ask the data; absent: nothing. */
  readonly wants?: (config: Config) => Wanted
  /** true where the start is subtracted: an exported adapter then holds it too, and has twice the rank */
  readonly subtracted: boolean
  /** New tensors. */
  readonly start: (
    config: Config,
    place: Place,
    source: InitSource
  ) => Effect.Effect<Factors, StartError | DeviceReadError>
}
