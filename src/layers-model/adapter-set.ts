/**
 * Adapters of one base by name: which one is active, and how they are added and removed. They share only the
 * network.
 */
import type * as tf from "@tensorflow/tfjs-core"
import type * as tfl from "@tensorflow/tfjs-layers"
import type { Adapted } from "../../adapters/index.ts"
import { closest } from "../../schemas/index.ts"
import type { LayersNetwork } from "../models/layers-model/index.ts"
import type { Combined } from "./arithmetic.ts"
import type { CalibrationData } from "./calibration-data.ts"
import { adaptError } from "./errors.ts"
import { asItIs, type HeldAdapter, initRequested } from "./held-adapter.ts"
import { copyOf, type ModelCopy, writeMerged } from "./merged-model.ts"
import { type AdaptOptionsInput, decodeOptions } from "./options.ts"
import { type AdapterSource, isSource, sourceName } from "./places.ts"
import { type ModelInput, type PredictOptions, predictAdapted, predictBase } from "./predict.ts"
import { promised } from "./promised.ts"
import type { RestoreOptions, SavedAdapter } from "./saved-adapter.ts"
import type { AdapterFiles } from "./stored-forms.ts"

/** Options for `combine`: name and rank of the combined adapter. */
export interface CombineOptions {
  /** name of the new adapter */
  readonly name: string
  /** largest rank per layer; default: the sum of the ranks, limited by the size of the layer's weight */
  readonly rank?: number
}

export interface AdapterSet {
  readonly network: LayersNetwork
  readonly head: ReadonlyArray<string>
  readonly adapters: Map<string, HeldAdapter>
  active: string | null
  /** name of the adapter that `on` activates */
  last: string | null
  /** live model, once it was requested */
  live: ModelCopy | null
  disposed: boolean
}

const alive = (set: AdapterSet): AdapterSet => {
  if (set.disposed) throw adaptError(set.network.base.name, "its adapters are disposed; adapt the model again")
  return set
}

const named = (set: AdapterSet, name: string): HeldAdapter => {
  const adapter = alive(set).adapters.get(name)
  if (adapter !== undefined) return adapter
  const names = [...set.adapters.keys()]
  const near = closest(name, names)
  const hint = near === undefined ? "" : `; did you mean "${near}"?`
  const expected = names.length === 0 ? "add one first" : `expected ${names.map((one) => `"${one}"`).join(" or ")}`
  throw adaptError(set.network.base.name, `found no adapter "${name}"; ${expected}${hint}`)
}

export const activeOf = (set: AdapterSet): HeldAdapter => {
  const { active } = alive(set)
  if (active !== null) return named(set, active)
  throw adaptError(set.network.base.name, "no adapter is active; activate one with use(name)")
}

/** Returns the active parameters, or null. */
const onIn = (set: AdapterSet): Adapted<LayersNetwork> | null =>
  alive(set).active === null ? null : activeOf(set).adapted

export const predict = (set: AdapterSet, x: ModelInput, options: PredictOptions = {}): tf.Tensor | Array<tf.Tensor> => {
  const adapted = onIn(set)
  return adapted === null ? predictBase(set.network.base, x, options) : predictAdapted(adapted, x, options)
}

export const turnOn = (set: AdapterSet, name: string | null): void => {
  if (name !== null) named(set, name)
  alive(set).active = name
  set.last = name ?? set.last
  refresh(set)
}

/** Copies the current parameters to the live model. */
export const refresh = (set: AdapterSet): void => {
  const adapted = onIn(set)
  if (set.live !== null) writeMerged(set.live, set.network, adapted)
}

/** Returns the model that follows `turnOn`; all callers get the same one. */
export const liveModel = (set: AdapterSet): tfl.LayersModel => {
  set.live = alive(set).live ?? newModel(set)
  return set.live.model
}

/** Returns a copy of the base with the active adapter merged in. */
export const newModel = (set: AdapterSet): ModelCopy => {
  const adapted = onIn(set)
  const copy = copyOf(set.network.base)
  writeMerged(copy, set.network, adapted)
  return copy
}

const adapterFiles = () => import("./adapter-files.ts")

/** Reads the active adapter from the device; its files in PEFT's layout are made on request. */
export const saveActive = async (
  set: AdapterSet
): Promise<{ readonly saved: SavedAdapter; readonly files: () => Promise<AdapterFiles> }> => {
  const adapter = activeOf(set)
  const now = asItIs(adapter)
  try {
    const { peftFiles, savedAdapter } = await adapterFiles()
    const saved = await promised(savedAdapter(now, set.head))
    return { saved, files: () => promised(peftFiles(adapter, saved)) }
  } finally {
    await now.close()
  }
}

export const add = async (
  set: AdapterSet,
  name: string,
  from: AdaptOptionsInput | AdapterSource = {},
  options: RestoreOptions & CalibrationData = {}
): Promise<void> => {
  checkFree(set, name)
  await keep(set, name, await (isSource(from) ? loaded(set, from, options) : started(set, name, from, options)))
}

const keep = async (set: AdapterSet, name: string, adapter: HeldAdapter): Promise<void> => {
  try {
    checkFree(set, name) // another may have taken it meanwhile
    set.adapters.set(name, adapter)
  } catch (error) {
    await adapter.close()
    throw error
  }
}

const started = async (
  set: AdapterSet,
  name: string,
  options: AdaptOptionsInput,
  data: CalibrationData
): Promise<HeldAdapter> => {
  const { network, head } = set
  const request = await promised(decodeOptions({ head, ...options, name }, network.base.name))
  checkHead(set, request.head)
  return promised(initRequested(network, request, data))
}

const loaded = async (set: AdapterSet, source: AdapterSource, options: RestoreOptions): Promise<HeldAdapter> => {
  const { loadFrom, restoredAdapter } = await adapterFiles()
  const saved = await loadFrom(source)
  checkHead(set, saved.record.head)
  return promised(restoredAdapter(set.network, saved, sourceName(source), options))
}

const checkFree = (set: AdapterSet, name: string): void => {
  const { network, adapters } = alive(set)
  if (adapters.has(name)) {
    const message = `name: an adapter "${name}" already exists; remove it first, or choose another name`
    throw adaptError(network.base.name, message)
  }
}

/** The head is the base's: what is trained itself is not a site for any adapter over it. */
const checkHead = ({ network, head }: AdapterSet, trainedHead: ReadonlyArray<string>): void => {
  if ([...trainedHead].sort().join() === [...head].sort().join()) return
  const namesText = (some: ReadonlyArray<string>) => `[${some.join(", ")}]`
  const message = `head: found ${namesText(trainedHead)}; adapters of one base model share their head, ${namesText(head)}`
  throw adaptError(network.base.name, message)
}

export const combine = async (
  set: AdapterSet,
  weights: Readonly<Record<string, number>>,
  { name, rank }: CombineOptions
): Promise<Combined> => {
  checkFree(set, name)
  const { base } = set.network
  const terms = Object.entries(weights).map(([adapterName, weight]) => ({
    name: adapterName,
    weight,
    adapter: named(set, adapterName)
  }))
  const { checkTerms, combinedAdapter } = await import("./arithmetic.ts")
  checkTerms(base.name, terms, rank)
  const { adapter, report } = await promised(combinedAdapter(set.network, terms, rank))
  await keep(set, name, adapter)
  return report
}

export const remove = async (set: AdapterSet, name: string): Promise<void> => {
  const adapter = named(set, name)
  if (set.active === name) turnOn(set, null)
  if (set.last === name) set.last = null
  set.adapters.delete(name)
  await adapter.close()
}

export const dispose = async (set: AdapterSet, close: () => Promise<void>): Promise<void> => {
  if (set.disposed) return
  set.disposed = true
  set.live?.model.dispose()
  for (const adapter of set.adapters.values()) await adapter.close()
  await close()
}
