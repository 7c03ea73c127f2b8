/** An adapter of a network that others may share: its request, its parameters, and their lifetime. */
import type { Tensor } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import {
  type Adapted,
  type Calibrate,
  type Calibration,
  type InitError,
  type InjectionError,
  injectSelected,
  methodOf,
  type Selected,
  type SiteRanks,
  select,
  selectionOf,
  withRanks
} from "../../adapters/index.ts"
import type { AdapterConfig } from "../../schemas/index.ts"
import type { LayersNetwork } from "../models/layers-model/index.ts"
import { type DeviceReadError, everyTensorOf, mapEveryTensor, type Trainable, tidy } from "../tensors/index.ts"
import type { CalibrationData } from "./calibration-data.ts"
import { AdaptError, type LayersDataError } from "./errors.ts"
import { learned } from "./learned.ts"
import type { AdapterRequest } from "./options.ts"
import { promised } from "./promised.ts"

export interface HeldAdapter {
  readonly config: AdapterConfig
  readonly seed: number
  readonly selected: Selected<unknown>
  readonly adapted: Adapted<LayersNetwork>
  /** Disposes the adapter's tensors. */
  readonly close: () => Promise<void>
}

interface InitOptions<E> {
  /** whether to skip the init, because parameters of a file will replace its result */
  readonly shapesOnly?: boolean
  /** ranks that the init decided earlier */
  readonly ranks?: SiteRanks | undefined
  /** calibration on training data for the selected layers */
  readonly calibrating?: (selected: Selected<object>) => Effect.Effect<Calibrate | undefined, E, Scope.Scope>
}

/** Creates the requested adapter at step 0. */
export const initAdapter = <E = never>(
  network: LayersNetwork,
  { config, seed }: Pick<AdapterRequest, "config" | "seed">,
  { shapesOnly = false, ranks, calibrating = () => Effect.succeed(undefined) }: InitOptions<E> = {}
): Effect.Effect<HeldAdapter, AdaptError | InitError | DeviceReadError | E> =>
  Effect.gen(function* () {
    const method = methodOf(config)
    const chosen = Result.flatMap(selectSites(network, config), (sites) => withRanks(method, sites, ranks))
    const selected = yield* Effect.fromResult(chosen).pipe(
      Effect.mapError(({ problems }) => new AdaptError({ model: network.base.name, problems: problems.map(inOptions) }))
    )
    const scope = yield* Scope.make()
    const close = Scope.close(scope, Exit.void)
    const adapted = yield* calibrating(selected).pipe(
      Effect.flatMap((calibrate) =>
        Scope.provide(injectSelected(network, method, selected, seed, calibrate, shapesOnly), scope)
      ),
      Effect.scoped,
      Effect.onError(() => close)
    )
    if (shapesOnly) learned.add(adapted)
    return { config, seed, adapted, selected: adapted.selected, close: () => promised(close) }
  })

/** Returns a snapshot of the current parameters: training that continues does not change it. */
export const asItIs = (held: HeldAdapter): HeldAdapter => {
  const tree = held.adapted.trainable
  const trainable = tidy((): Trainable => {
    const copy = (tensor: Tensor): Tensor => tf.keep(tf.clone(tensor))
    return mapEveryTensor(copy, tree)
  })
  const close = async () => tf.dispose([...everyTensorOf(trainable)])
  return { ...held, adapted: { ...held.adapted, trainable }, close }
}

export const selectSites = (
  network: Pick<LayersNetwork, "sites" | "parameters" | "prefix">,
  config: AdapterConfig
): Result.Result<Selected<object>, InjectionError> => {
  const { options, selection } = selectionOf(config)
  return select(network, methodOf(config), options, selection)
}

/** Of a plan's path: "adapter.targets.0" is "targets.0" among options. */
const inOptions = ({ path, message }: { readonly path: string; readonly message: string }) => ({
  path: path.replace(/^adapter\./, ""),
  message
})

type Failure = AdaptError | InitError | LayersDataError | DeviceReadError

/**
 * Creates an adapter as `initAdapter` does, for users who may change the options: reports what to do about a layer that is too narrow,
 * often the last one. `data`: examples for an init that needs calibration.
 */
export const initRequested = (
  network: LayersNetwork,
  request: AdapterRequest,
  data: CalibrationData = {}
): Effect.Effect<HeldAdapter, Failure> =>
  initAdapter(network, request, { calibrating: (selected) => observed(network, request, selected, data) }).pipe(
    Effect.catchTag("AdaptError", ({ model, problems }) => {
      const explained = problems.map(({ path, message }) => ({
        path,
        message: message.includes("is larger than") ? `${message}; ${NARROW}` : message
      }))
      return Effect.fail(new AdaptError({ model, problems: explained }))
    })
  )

const NARROW = "exclude the layer, train it as head, or set its rank in overrides"

/** Undefined where the init asks for nothing. */
const observed = (
  network: LayersNetwork,
  { config, seed }: AdapterRequest,
  { sites }: Selected<object>,
  { examples, ...data }: CalibrationData
): Effect.Effect<Calibrate | undefined, Failure, Scope.Scope> =>
  Effect.gen(function* () {
    const first = sites[0]
    const calibration = first === undefined ? undefined : methodOf(config).calibration?.(first.options)
    if (calibration === undefined) return undefined
    if (examples === undefined) return yield* withoutExamples(network, calibration)
    const { calibrateOnExamples } = yield* Effect.promise(() => import("./calibration-data.ts"))
    const request = { network, sites: sites.map(({ site }) => site), calibration, seed }
    return yield* calibrateOnExamples(request, { ...data, examples })
  })

const withoutExamples = (network: LayersNetwork, calibration: Calibration): Effect.Effect<never, AdaptError> => {
  const result = calibration.what === "gradient" ? "[x, y]" : "[x]"
  const message =
    `"${calibration.init}" needs training data, but none was given; ` +
    `expected { examples: ${result} }, or a dataset there, after the options`
  return Effect.fail(new AdaptError({ model: network.base.name, problems: [{ path: "init", message }] }))
}
