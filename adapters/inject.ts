/**
 * Injects an adapter method into a model: selects the layers, initializes their trainable parts, and returns an `Adapted`.
 *
 * The model does not change. The adapted forward pass is the model's own, called with a `linear` that uses the method
 * at the selected layers and the frozen base elsewhere, and with weights in which trained tensors replace frozen ones.
 */
import type { Scalar, Tensor, Tensor1D, Tensor2D, Variable } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type DropoutMask, denseLinear, dequantized, dropout, embedded } from "../src/kernels/index.ts"
import {
  baseLayer,
  baseLinear,
  type InputOf,
  type Model,
  type Network,
  type OutputOf,
  type RunBlock
} from "../src/models/index.ts"
import { randomStream } from "../src/numbers/index.ts"
import type { Transform } from "../src/optimizers/index.ts"
import { workingThrough } from "../src/progress/index.ts"
import {
  type DenseParameter,
  type DenseRole,
  type DeviceReadError,
  everyTensorOf,
  type Linear,
  type LinearSite,
  mapTensors,
  type Trainable,
  tensorsOf,
  type Weights
} from "../src/tensors/index.ts"
import type { AdapterMethod, InitSource } from "./adapter.ts"
import { type Calibrate, type InitError, noCalibration } from "./init/calibration.ts"
import { none } from "./none.ts"
import type { OptionsOf } from "./options.ts"
import type { SitePart } from "./peft.ts"
import { decided } from "./ranks.ts"
import type { InjectionError, Selected } from "./select.ts"

/**
 * Hook on linear layers: receives x and y of each, in the order of the forward pass; its result replaces y. Tensor code. With dropout
 * on an adapter's input, x is the input after dropout.
 */
export type Tap = (site: LinearSite, x: Tensor2D, y: Tensor2D) => Tensor2D

/** Options of an adapted model's forward pass. */
export interface ForwardOptions {
  /** hook called after each linear layer; default: none */
  readonly tap?: Tap | undefined
  /** runs the model's blocks; default: once, with their activations kept */
  readonly runBlock?: RunBlock | undefined
  /** position in training, which determines dropout masks; absent: no dropout */
  readonly training?: TrainingPlace | undefined
}

/** A model with the method that adapts it and its current trainable parameters. */
export interface Adapted<M extends Network = Model> {
  /** base model */
  readonly model: M
  /** adapter method */
  readonly method: AdapterMethod<unknown>
  /** adapted layers */
  readonly sites: ReadonlyArray<LinearSite>
  /** layers with their options, including ranks that the init decided */
  readonly selected: Selected<unknown>
  /** Current parameters. A training step replaces them, and disposes the previous tensors. */
  trainable: Trainable
  /**
   * Returns the current parameters as tfjs variables, in the order of `tensorsOf`, which `forward` reads from then on: for `tf.Optimizer.minimize`
   * and custom loops. Pass these variables to the optimizer, since a model's own are registered with tfjs too. A session's step replaces them.
   */
  readonly variables: () => Array<Variable>
  /** Returns the adapted layers' parts of a tree, in the order of `sites`. */
  readonly parts: (trainable: Trainable) => ReadonlyArray<SitePart<unknown>>
  /** Computes the model's output with the given parameters (`trainable`, or others of its shape); for a text model logits [batch, classes]. */
  readonly forward: (input: InputOf<M>, trainable: Trainable, options?: ForwardOptions) => OutputOf<M>
  /** Returns W′ [out, in] of an adapted layer as a new tensor. */
  readonly merged: (site: LinearSite, trainable: Trainable) => Tensor2D
  /** Returns the method's penalty, which is added to the loss; null: none. Tensor code. */
  readonly penalty: ((trainable: Trainable) => Scalar) | null
  /** Returns the optimizer of a run of `steps` steps: `inner`, or the method's wrapper of it. */
  readonly optimizer: (inner: Transform, steps: number) => Effect.Effect<Transform>
}

/**
 * Adapts `model` with `method`; `none` trains the head only. The parameters live as long as the scope. Fails with every problem of
 * the options, by their paths in a plan.
 */
// biome-ignore lint/suspicious/noExplicitAny: as of `AdapterMethod`
export const inject = <Options extends object, M extends Network = Model, Section = any>(
  model: M,
  method: AdapterMethod<Options, Section>,
  options: OptionsOf<Options, Section>
): Effect.Effect<Adapted<M>, InjectionError | InitError | DeviceReadError, Scope.Scope> =>
  Effect.gen(function* () {
    // loaded where options come from code: a plan's are decoded
    const { selectedBy } = yield* Effect.promise(() => import("./options.ts"))
    const { selected, seed } = yield* Effect.fromResult(selectedBy(model, method, options))
    return yield* injectSelected(model, method, selected, seed, options.calibrate)
  })

/**
 * Injects adapters into layers selected earlier by `select`, as `inject` does. `shapesOnly`: for parameters that will be replaced; no init
 * decides ranks then, which are those of `chosen` (`withRanks`).
 */
export const injectSelected = <Options extends object, M extends Network = Model>(
  model: M,
  method: AdapterMethod<Options>,
  chosen: Selected<Options>,
  seed: number,
  calibrate: Calibrate = noCalibration,
  shapesOnly = false
): Effect.Effect<Adapted<M>, InitError | DeviceReadError, Scope.Scope> =>
  Effect.gen(function* () {
    const selected = shapesOnly ? chosen : yield* decided(model, method, chosen, seed, calibrate)
    const parts = yield* initParts(model, method, selected, seed, { calibrate, shapesOnly })
    const sites = selected.sites.map(({ site }) => site)
    const trainable: Trainable = {
      pairs: parts.flatMap((part) => part.pairs),
      frozen: parts.flatMap(({ frozen = [] }) => frozen),
      ...(method.shared === null || sites.length === 0 ? {} : { shared: method.shared.tensors(selected.sites) }),
      dense: [
        ...parts.flatMap((part) => part.dense),
        ...copies(model, selected.parameters, "body"),
        ...copies(
          model,
          model.head.parameters.map(({ name }) => name),
          "head"
        )
      ]
    }
    const places = placesOf(parts)
    const order = new Map(sites.map(({ name }, i) => [name, i]))
    const partAt = (current: Trainable, i: number): SitePart<Options> => ({
      ...selected.sites[i]!,
      part: partOf(current, places[i]!)
    })
    const partsOf = (current: Trainable) => sites.map((_, i) => partAt(current, i))
    const maskAt = dropoutMasks(
      seed,
      selected.sites.map(({ site, options }) => method.dropout?.(site, options) ?? 0)
    )
    const { penalty, allocation } = method
    const adapted: Adapted<M> = {
      model,
      method: method as AdapterMethod<unknown>,
      sites,
      selected,
      trainable,
      variables: () => {
        adapted.trainable = mapTensors(asVariable, adapted.trainable)
        return [...tensorsOf(adapted.trainable)] as Array<Variable>
      },
      parts: partsOf,
      forward: (input, current, { tap, runBlock, training } = {}) => {
        const trained = new Map(current.dense.map(({ name, value }) => [name, value]))
        const of = (name: string) => trained.get(name) ?? model.weights(name)
        const weights: Weights = Object.assign(of, { trained })
        const maskOf: MaskOf = ({ name }) => {
          const site = order.get(name)
          return training === undefined || site === undefined ? undefined : maskAt(training, site)
        }
        const partOfSite: PartOf<Options> = ({ name }) => {
          const site = order.get(name)
          return site === undefined ? undefined : partAt(current, site)
        }
        const linear = adaptedLinear(model, method, partOfSite, trained, maskOf)
        const seen = tap === undefined ? linear : tapped(linear, tap, maskOf)
        return model.forward(input, seen, weights, runBlock) as OutputOf<M>
      },
      merged: (site, current) => method.merge(partAt(current, order.get(site.name)!), baseLayer(model, site)),
      penalty: penalty === null ? null : (current) => penalty(partsOf(current)),
      optimizer: (inner, steps) => allocation?.optimizer(inner, selected.sites, steps) ?? Effect.succeed(inner)
    }
    yield* Effect.addFinalizer(() => Effect.sync(() => tf.dispose([...everyTensorOf(adapted.trainable)])))
    return adapted
  })

/** Returns `model` without an adapter, with only its head trainable, if it has one. */
export const unadapted = <M extends Network = Model>(
  model: M
): Effect.Effect<Adapted<M>, InitError | DeviceReadError, Scope.Scope> =>
  injectSelected(model, none, { sites: [], parameters: [] }, 0)

/**
 * Returns the model with its adapter switched off, to compare outputs: frozen weights everywhere except in the head, which
 * stays as trained. It shares the tensors of `adapted`, and lives as long. Null if only the head was trained, so nothing would change.
 */
export const switchedOff = <M extends Network>(adapted: Adapted<M>): Adapted<M> | null => {
  const { model, sites, trainable } = adapted
  if (sites.length === 0 && trainable.dense.every(({ role }) => role === "head")) return null
  const nothing = () => undefined
  return {
    ...adapted,
    method: none as AdapterMethod<unknown>,
    sites: [],
    selected: { sites: [], parameters: [] },
    parts: () => [],
    penalty: null,
    forward: (input, current, { tap, runBlock } = {}) => {
      const head = current.dense.filter(({ role }) => role === "head")
      const trained = new Map(head.map(({ name, value }) => [name, value]))
      const of = (name: string) => trained.get(name) ?? model.weights(name)
      const linear = adaptedLinear(model, none, nothing, trained, nothing)
      const seen = tap === undefined ? linear : tapped(linear, tap, nothing)
      return model.forward(input, seen, Object.assign(of, { trained }), runBlock) as OutputOf<M>
    }
  }
}

/** The variable that takes a tensor's place. It shares its numbers, and the tensor's own handle is given up. */
const asVariable = (tensor: Tensor): Variable => {
  if (tensor instanceof tf.Variable) return tensor
  const variable = tf.variable(tensor)
  tensor.dispose()
  return variable
}

/** Each site's part at step 0. If one cannot be initialized, those before it are disposed. */
const initParts = <Options>(
  model: Network,
  method: AdapterMethod<Options>,
  { sites }: Selected<Options>,
  seed: number,
  source: Pick<InitSource, "calibrate" | "shapesOnly">
): Effect.Effect<ReadonlyArray<Trainable>, InitError | DeviceReadError> => {
  const parts: Array<Trainable> = []
  return workingThrough("initializing the adapter", "layers", sites, ({ site, options }) =>
    Effect.map(
      method.init(site, options, {
        ...baseLayer(model, site),
        random: randomStream(seed, "adapter", site.name),
        ...source
      }),
      (part) => parts.push(part)
    )
  ).pipe(
    Effect.map(() => parts),
    Effect.onError(() => Effect.sync(() => tf.dispose(parts.flatMap(everyTensorOf))))
  )
}

/** Trained tensors, initialized at the model's own values. */
const copies = (model: Network, names: ReadonlyArray<string>, role: DenseRole): ReadonlyArray<DenseParameter> =>
  names.map((name) => ({ name, role, value: tf.tidy(() => tf.clone(wholeParameter(model, name))) }))

/** A parameter in float32; a linear weight may be packed. */
const wholeParameter = (model: Network, name: string): Tensor => {
  const packed = model.packed?.get(name)
  return packed === undefined ? model.weights(name) : dequantized(packed)
}

/** What a site's input loses in this pass. */
type MaskOf = (site: LinearSite) => DropoutMask | undefined

/** What is trained at a site in this pass; undefined where it is not adapted. */
type PartOf<Options> = (site: LinearSite) => SitePart<Options> | undefined

/** The method at its sites; elsewhere the frozen base, or a module to save, which is in `trained`. */
const adaptedLinear = <Options>(
  model: Network,
  method: AdapterMethod<Options>,
  partOfSite: PartOf<Options>,
  trained: ReadonlyMap<string, Tensor>,
  maskOf: MaskOf
): Linear => {
  const frozen = baseLinear(model)
  const one = (site: LinearSite, x: Tensor2D): Tensor2D => {
    const part = partOfSite(site)
    if (part !== undefined) return method.forward(part, x, baseLayer(model, site), maskOf(site))
    // a module is trained as a whole: its bias too
    const W = trained.get(`${site.name}.weight`) as Tensor2D | undefined
    if (W === undefined) return frozen(site, x)
    if (site.kind === "embedding") return embedded(x, W)
    return denseLinear(x, W, (trained.get(`${site.name}.bias`) as Tensor1D | undefined) ?? null)
  }
  const together: Linear["together"] = (sites, x, form) => {
    const adapted = sites.flatMap((site) => {
      const part = partOfSite(site)
      if (part === undefined || site.kind === "embedding" || maskOf(site) !== undefined) return []
      return [{ ...part, base: baseLayer(model, site) }]
    })
    return adapted.length === sites.length ? method.together?.(adapted, x, form) : undefined
  }
  return method.together === undefined ? one : Object.assign(one, { together })
}

const tapped =
  (linear: Linear, tap: Tap, maskOf: MaskOf): Linear =>
  (site, x) => {
    const mask = maskOf(site)
    return tap(site, mask === undefined ? x : dropout(x, mask), linear(site, x))
  }

/** From where to where a site's part of each list of the tree goes. */
type Place = { readonly [List in "pairs" | "dense" | "frozen"]: readonly [from: number, to: number] }

const placesOf = (parts: ReadonlyArray<Trainable>): ReadonlyArray<Place> => {
  const ends = { pairs: 0, dense: 0, frozen: 0 }
  const next = (list: keyof Place, count: number): readonly [number, number] => {
    const from = ends[list]
    ends[list] += count
    return [from, ends[list]]
  }
  return parts.map(({ pairs, dense, frozen = [] }) => ({
    pairs: next("pairs", pairs.length),
    dense: next("dense", dense.length),
    frozen: next("frozen", frozen.length)
  }))
}

const partOf = (trainable: Trainable, { pairs, dense, frozen }: Place): Trainable => ({
  pairs: trainable.pairs.slice(...pairs),
  dense: trainable.dense.slice(...dense),
  frozen: trainable.frozen?.slice(...frozen) ?? [],
  ...(trainable.shared === undefined ? {} : { shared: trainable.shared })
})

/** Position in training. */
export interface TrainingPlace {
  /** number of steps taken before */
  readonly step: number
  /** index of the batch within its step, from 0 */
  readonly batch: number
}

/**
 * Returns the dropout mask of a layer at a position in training; undefined: no dropout. `rates`: of all layers, in their order.
 *
 * Dropout applies to the adapter's input in training: y = xWᵀ + bias + s·(D(x)Aᵀ)Bᵀ, and D(x) = x otherwise (Hu et al. 2021; `lora_dropout`
 * of PEFT). D keeps each value with probability 1 − rate, divided by it, so that its mean is x.
 *
 * Which values are kept depends on their position only, so a mask can be recomputed: in the backward pass, in a block that is
 * computed twice, on any device and number of threads, after a resume. Value i of layer n's input in batch b of the step that follows
 * t steps is kept where hash(i, offset, seed) is (`src/kernels/dropout.ts`), with
 *
 *   seed    first word of the run's stream "dropout" + t
 *   offset  b·sites + n                                         both modulo 2³²
 *
 * No two masks of a run share both. A layer applied several times in one pass, like a recurrent layer at each time step, drops
 * the same positions each time (Gal and Ghahramani 2016, arXiv 1512.05287).
 */
export const dropoutMasks = (seed: number, rates: ReadonlyArray<number>) => {
  const first = Math.floor(2 ** 32 * randomStream(seed, "dropout")())
  return ({ step, batch }: TrainingPlace, site: number): DropoutMask | undefined => {
    const rate = rates[site]!
    if (rate === 0) return undefined
    return { rate, seed: (first + step) % 2 ** 32, offset: (batch * rates.length + site) % 2 ** 32 }
  }
}
