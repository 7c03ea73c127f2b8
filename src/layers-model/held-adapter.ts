/** An adapter over a network that others may share: how it was asked for, its parameters, and the end of their life. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import {
  type Adapted,
  type AdapterMethod,
  type InjectionError,
  injectSelected,
  methods,
  type Selected,
  type StartError,
  select
} from "../../adapters/index.ts"
import type { AdapterConfig } from "../../schemas/index.ts"
import type { LayersNetwork } from "../models/layers-model/from-layers-model.ts"
import type { DeviceReadError } from "../tensors/read.ts"
import { AdaptError } from "./adapt-error.ts"
import type { AdapterRequest } from "./options.ts"

export interface HeldAdapter {
  readonly config: AdapterConfig
  readonly seed: number
  readonly selected: Selected<unknown>
  readonly adapted: Adapted<LayersNetwork>
  /** Disposes its tensors. */
  readonly close: () => Promise<void>
}

interface StartOptions {
  /** numbers of a file will be put in place: nothing is worked out for a start */
  readonly shapesOnly?: boolean
}

/** An adapter as it was asked for, at step 0. */
export const startAdapter = (
  network: LayersNetwork,
  { config, seed }: Pick<AdapterRequest, "config" | "seed">,
  { shapesOnly = false }: StartOptions = {}
): Effect.Effect<HeldAdapter, AdaptError | StartError | DeviceReadError> =>
  Effect.gen(function* () {
    const method = methodOf(config)
    const selected = yield* Effect.fromResult(selectSites(network, config)).pipe(
      Effect.mapError(({ problems }) => new AdaptError({ model: network.base.name, problems: problems.map(inOptions) }))
    )
    const scope = yield* Scope.make()
    const close = Scope.close(scope, Exit.void)
    const adapted = yield* injectSelected(network, method, selected, seed, undefined, shapesOnly).pipe(
      Scope.provide(scope),
      Effect.onError(() => close)
    )
    return { config, seed, selected, adapted, close: () => Effect.runPromise(close) }
  })

/** `select` and `inject` hand a method the options of its own tag. */
const methodOf = ({ method }: AdapterConfig) => methods[method] as AdapterMethod<object> | null

export const selectSites = (
  network: Pick<LayersNetwork, "sites" | "parameters" | "prefix">,
  config: AdapterConfig
): Result.Result<Selected<object>, InjectionError> => {
  if (config.method === "none") {
    return select(network, null, {}, { targets: [], modulesToSave: config.modulesToSave })
  }
  const { method: _, targets, exclude, modulesToSave, ...own } = config
  const { overrides = [], ...options } = "overrides" in own ? own : { ...own, overrides: [] }
  return select(network, methodOf(config), options, { targets, exclude, overrides, modulesToSave })
}

/** Of a plan's path: "adapter.targets.0" is "targets.0" among options. */
const inOptions = ({ path, message }: { readonly path: string; readonly message: string }) => ({
  path: path.replace(/^adapter\./, ""),
  message
})

/**
 * `startAdapter` for somebody who may ask otherwise: told what to do about a layer that is too narrow, as many a last
 * one is.
 */
export const startRequested = (
  network: LayersNetwork,
  request: AdapterRequest
): Effect.Effect<HeldAdapter, AdaptError | StartError | DeviceReadError> =>
  Effect.catchTag(startAdapter(network, request), "AdaptError", ({ model, problems }) => {
    const told = problems.map(({ path, message }) => ({
      path,
      message: message.includes("is larger than") ? `${message}; ${NARROW}` : message
    }))
    return Effect.fail(new AdaptError({ model, problems: told }))
  })

const NARROW = "exclude the layer, train it as head, or give it a rank of its own in overrides"
