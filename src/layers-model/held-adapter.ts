/** An adapter over a network that others may share: how it was asked for, its parameters, and the end of their life. */
import type { Tensor } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
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
  type Observe,
  type Selected,
  type StartError,
  select,
  startThatAsks,
  type Wanted
} from "../../adapters/index.ts"
import type { AdapterConfig } from "../../schemas/index.ts"
import type { LayersNetwork } from "../models/layers-model/from-layers-model.ts"
import type { DeviceReadError } from "../tensors/index.ts"
import { startsOf, type Trainable, tensorsOf, tidy, withStarts, withTensors } from "../tensors/index.ts"
import { AdaptError } from "./adapt-error.ts"
import type { LayersDataError } from "./fit/fit-error.ts"
import type { AdapterRequest } from "./options.ts"
import type { StartData } from "./start-data.ts"

export interface HeldAdapter {
  readonly config: AdapterConfig
  readonly seed: number
  readonly selected: Selected<unknown>
  readonly adapted: Adapted<LayersNetwork>
  /** Disposes its tensors. */
  readonly close: () => Promise<void>
}

interface StartOptions<E> {
  /** numbers of a file will be put in place: nothing is worked out for a start */
  readonly shapesOnly?: boolean
  /** what training data shows the sites that were chosen */
  readonly observing?: (selected: Selected<object>) => Effect.Effect<Observe | undefined, E, Scope.Scope>
}

/** An adapter as it was asked for, at step 0. */
export const startAdapter = <E = never>(
  network: LayersNetwork,
  { config, seed }: Pick<AdapterRequest, "config" | "seed">,
  { shapesOnly = false, observing = () => Effect.succeed(undefined) }: StartOptions<E> = {}
): Effect.Effect<HeldAdapter, AdaptError | StartError | DeviceReadError | E> =>
  Effect.gen(function* () {
    const method = methodOf(config)
    const selected = yield* Effect.fromResult(selectSites(network, config)).pipe(
      Effect.mapError(({ problems }) => new AdaptError({ model: network.base.name, problems: problems.map(inOptions) }))
    )
    const scope = yield* Scope.make()
    const close = Scope.close(scope, Exit.void)
    const adapted = yield* observing(selected).pipe(
      Effect.flatMap((observe) =>
        Scope.provide(injectSelected(network, method, selected, seed, observe, shapesOnly), scope)
      ),
      Effect.scoped,
      Effect.onError(() => close)
    )
    return { config, seed, selected, adapted, close: () => Effect.runPromise(close) }
  })

/** The parameters as they are now, in handles of their own: training that goes on meanwhile does not change them. */
export const asItIs = (held: HeldAdapter): HeldAdapter => {
  const tree = held.adapted.trainable
  const trainable = tidy((): Trainable => {
    const own = (tensor: Tensor): Tensor => tf.keep(tf.clone(tensor))
    return withStarts(withTensors(tree, tensorsOf(tree).map(own)), startsOf(tree).map(own))
  })
  const close = async () => tf.dispose([...tensorsOf(trainable), ...startsOf(trainable)])
  return { ...held, adapted: { ...held.adapted, trainable }, close }
}

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

type Failure = AdaptError | StartError | LayersDataError | DeviceReadError

/**
 * `startAdapter` for somebody who may ask otherwise: told what to do about a layer that is too narrow, as many a last
 * one is. `data`: for a start that looks at it.
 */
export const startRequested = (
  network: LayersNetwork,
  request: AdapterRequest,
  data: StartData = {}
): Effect.Effect<HeldAdapter, Failure> =>
  startAdapter(network, request, { observing: (selected) => observed(network, request, selected, data) }).pipe(
    Effect.catchTag("AdaptError", ({ model, problems }) => {
      const told = problems.map(({ path, message }) => ({
        path,
        message: message.includes("is larger than") ? `${message}; ${NARROW}` : message
      }))
      return Effect.fail(new AdaptError({ model, problems: told }))
    })
  )

const NARROW = "exclude the layer, train it as head, or give it a rank of its own in overrides"

/** Undefined where the start asks for nothing. */
const observed = (
  network: LayersNetwork,
  { config, seed }: AdapterRequest,
  { sites }: Selected<object>,
  { examples, ...data }: StartData
): Effect.Effect<Observe | undefined, Failure, Scope.Scope> =>
  Effect.gen(function* () {
    const first = sites[0]
    const wanted = first === undefined ? undefined : methodOf(config)?.wants?.(first.options)
    if (wanted === undefined) return undefined
    if (examples === undefined) return yield* withoutExamples(network, wanted)
    const { observeExamples } = yield* Effect.promise(() => import("./start-data.ts"))
    const asked = { network, sites: sites.map(({ site }) => site), wanted, seed }
    return yield* observeExamples(asked, { ...data, examples })
  })

const withoutExamples = (network: LayersNetwork, wanted: Wanted): Effect.Effect<never, AdaptError> => {
  const given = wanted.what === "gradient" ? "[x, y]" : "[x]"
  const message =
    `"${startThatAsks(wanted)}" looks at training data, and none was given; ` +
    `expected { examples: ${given} }, or a dataset there, behind the options`
  return Effect.fail(new AdaptError({ model: network.base.name, problems: [{ path: "init", message }] }))
}
