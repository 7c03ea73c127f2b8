/**
 * What answers verbs: a table of functions from a verb's input to an effect, or to a stream where it is watched. A host has several such
 * tables; what none of them has is refused by name.
 */

import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { Device } from "../../device/device.ts"
import type { Sources } from "../../hub/hub.ts"
import type { CallName, ExampleRows, Input, Output, WatchEvent, WatchInput, WatchName } from "../protocol/index.ts"

/** A failure whose message says all that a user needs. */
export interface Reported {
  readonly _tag: string
  readonly message: string
}

export type CallHandlers<R> = {
  readonly [Name in CallName]?: (input: Input<Name>) => Effect.Effect<Output<Name>, Reported, R>
}

export type WatchHandlers<R> = {
  readonly [Name in WatchName]?: (input: WatchInput<Name>) => Stream.Stream<WatchEvent<Name>, Reported, R>
}

export interface Handlers<R> {
  readonly calls: CallHandlers<R>
  readonly watches: WatchHandlers<R>
}

/** What the engine answers with. */
export type EngineNeeds = Sources | Device

/** Tables side by side; a verb is answered by the first that has it. */
export const handlersOf = <R>(...tables: ReadonlyArray<Partial<Handlers<R>>>): Handlers<R> => ({
  calls: Object.assign({}, ...tables.map(({ calls }) => calls).toReversed()),
  watches: Object.assign({}, ...tables.map(({ watches }) => watches).toReversed())
})

/** The models and rows that come with the program, which each host has somewhere else. */
export interface ComesWith {
  /** folders or files of models; a new run begins with the first */
  readonly models: ReadonlyArray<string>
  readonly rows: ReadonlyArray<ExampleRows>
}

export const ComesWith = Context.Reference<ComesWith>("tfjs-lora-pro/StudioComesWith", {
  defaultValue: () => ({ models: [], rows: [] })
})
