/**
 * Puts an adapter method into a model: chooses the sites, starts their trainable parts, and answers with an `Adapted`.
 *
 * Nothing of the model is changed. The forward pass of the pair is the model's own, called with a `linear` that uses the method
 * at the chosen sites and the frozen base elsewhere, and with weights in which trained tensors stand over frozen ones.
 */
import type { Tensor, Tensor1D, Tensor2D } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { denseLinear, frozenLinear } from "../src/kernels/dense-linear.ts"
import { widened } from "../src/kernels/widen.ts"
import type { Model, RunBlock, TokenBatch } from "../src/models/model.ts"
import type { Linear, LinearSite, Weights } from "../src/tensors/linear.ts"
import type { FrozenMatrix } from "../src/tensors/packed-matrix.ts"
import { randomStream } from "../src/tensors/random.ts"
import { type DenseParameter, type DenseRole, type Trainable, tensorsOf } from "../src/tensors/trainable.ts"
import type { AdapterMethod, BaseLayer } from "./adapter.ts"
import { type InjectionError, type Selected, type Selection, select } from "./select.ts"

/** Tensor code: what a linear layer gives, in the order of the forward pass. */
export type Watch = (site: LinearSite, output: Tensor) => void

export interface ForwardOptions {
  /** sees what each linear layer gives */
  readonly watch?: Watch
  /** how the model's blocks run */
  readonly runBlock?: RunBlock | undefined
}

/** A model, the method that adapts it, and the trainable parameters as they are now. */
export interface Adapted {
  readonly model: Model
  /** the method's name, or "none" */
  readonly method: string
  readonly sites: ReadonlyArray<LinearSite>
  /** The current parameters. A training step replaces them, and with them the tensors they held. */
  trainable: Trainable
  /** Logits [batch, classes] under the given parameters (`trainable`, or candidates of it). */
  readonly forward: (batch: TokenBatch, trainable: Trainable, options?: ForwardOptions) => Tensor2D
  /** W′ of an adapted site [out, in], a new tensor. */
  readonly merged: (site: LinearSite, trainable: Trainable) => Tensor2D
}

export interface InjectOptions<Options> extends Selection<Options> {
  /** seed of the factors' start; each site has a random stream of its own */
  readonly seed?: number
}

/** Adapts `model` with `method`; `null` trains the head alone. The parameters live as long as the scope. */
export const inject = <Options extends object>(
  model: Model,
  method: AdapterMethod<Options> | null,
  options: Options & InjectOptions<Options>
): Effect.Effect<Adapted, InjectionError, Scope.Scope> => {
  const { targets, overrides, modulesToSave, seed = 0, ...own } = options
  const selection = { targets, overrides, modulesToSave }
  return Effect.fromResult(select(model, method, own as unknown as Options, selection)).pipe(
    Effect.flatMap((selected) => injectSelected(model, method, selected, seed))
  )
}

/** `inject` for sites that were chosen before, by `select`. */
export const injectSelected = <Options extends object>(
  model: Model,
  method: AdapterMethod<Options> | null,
  selected: Selected<Options>,
  seed: number
): Effect.Effect<Adapted, never, Scope.Scope> =>
  Effect.gen(function* () {
    const parts = yield* Effect.forEach(selected.sites, ({ site, options }) =>
      method!.init(site, options, {
        ...baseLayer(model, site),
        random: randomStream(seed, "adapter", site.name)
      })
    )
    const sites = selected.sites.map(({ site }) => site)
    const trainable: Trainable = {
      pairs: parts.flatMap((part) => part.pairs),
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
    const layout = layoutOf(sites, parts)
    const adapted: Adapted = {
      model,
      method: method?.method ?? "none",
      sites,
      trainable,
      forward: (batch, current, { watch, runBlock } = {}) => {
        const trained = new Map(current.dense.map(({ name, value }) => [name, value]))
        const weights: Weights = (name) => trained.get(name) ?? model.weights(name)
        const linear = adaptedLinear(model, method, layout, current, trained)
        return model.forward(batch, watch === undefined ? linear : watched(linear, watch), weights, runBlock)
      },
      merged: (site, current) => method!.merge(site, partOf(current, layout.get(site.name)!), baseLayer(model, site))
    }
    yield* Effect.addFinalizer(() => Effect.sync(() => tf.dispose([...tensorsOf(adapted.trainable)])))
    return adapted
  })

/** Trained tensors that start at the model's own values. */
const copies = (model: Model, names: ReadonlyArray<string>, role: DenseRole): ReadonlyArray<DenseParameter> =>
  names.map((name) => ({ name, role, value: tf.tidy(() => tf.clone(wholeParameter(model, name))) }))

/** A parameter in float32; a linear weight may be packed. */
const wholeParameter = (model: Model, name: string): Tensor => {
  const packed = model.packed?.get(name)
  return packed === undefined ? model.weights(name) : widened(packed)
}

/** The method at its sites; elsewhere the frozen base, or a module to save, which stands in `trained`. */
const adaptedLinear =
  <Options>(
    model: Model,
    method: AdapterMethod<Options> | null,
    layout: ReadonlyMap<string, Place>,
    current: Trainable,
    trained: ReadonlyMap<string, Tensor>
  ): Linear =>
  (site, x) => {
    const base = baseLayer(model, site)
    const place = layout.get(site.name)
    if (place !== undefined) return method!.forward(site, partOf(current, place), x, base)
    // a module is trained as a whole: its bias too
    const W = trained.get(`${site.name}.weight`) as Tensor2D | undefined
    if (W === undefined) return frozenLinear(x, base.W, base.bias)
    return denseLinear(x, W, trained.get(`${site.name}.bias`) as Tensor1D)
  }

const watched =
  (linear: Linear, watch: Watch): Linear =>
  (site, x) => {
    const output = linear(site, x)
    watch(site, output)
    return output
  }

/** Where a site's part stands in the whole tree. */
interface Place {
  readonly pairs: readonly [number, number]
  readonly dense: readonly [number, number]
}

const layoutOf = (sites: ReadonlyArray<LinearSite>, parts: ReadonlyArray<Trainable>): ReadonlyMap<string, Place> => {
  const layout = new Map<string, Place>()
  let pairs = 0
  let dense = 0
  sites.forEach((site, i) => {
    const part = parts[i]!
    layout.set(site.name, {
      pairs: [pairs, pairs + part.pairs.length],
      dense: [dense, dense + part.dense.length]
    })
    pairs += part.pairs.length
    dense += part.dense.length
  })
  return layout
}

const partOf = (trainable: Trainable, { pairs, dense }: Place): Trainable => ({
  pairs: trainable.pairs.slice(...pairs),
  dense: trainable.dense.slice(...dense)
})

const baseLayer = ({ weights, packed }: Model, site: LinearSite): BaseLayer => {
  const name = `${site.name}.weight`
  const W: FrozenMatrix = packed?.get(name) ?? (weights(name) as Tensor2D)
  return { W, bias: weights(`${site.name}.bias`) as Tensor1D }
}
