/**
 * The topology of a model.json, before tfjs makes layers of it: whether each is one that tfjs has, how many there are, and whether each can
 * be called after those that it needs. tfjs itself waits for ever for an input that never comes.
 *
 *   { "class_name": "Functional", "config": { "layers": [
 *     { "class_name": "Dense", "name": "a", "config": { "name": "a", … }, "inbound_nodes": [[["input", 0, 0, {}]]] }, … ] } }
 */
import { serialization } from "@tensorflow/tfjs-core"
import { isRecord, Listing, limit, overLimit, quoted, wholeNumber } from "../../boundary/index.ts"

type Fields = Readonly<Record<string, unknown>>

/** Returns all problems of the layers and their order. Knows the layers that are registered in tfjs when it is called. */
export const topologyProblems = (topology: Fields): ReadonlyArray<string> => {
  const problems = new Listing()
  const config = field(topology, "modelConfig") ?? topology
  const count = countLayers(config)
  if (count > limit("layers-model-layers")) {
    return [
      `its layers, their uses and inputs are ${wholeNumber(count)}, more than ${overLimit("layers-model-layers")}`
    ]
  }
  checkLayer(config, "its modelTopology", problems)
  return problems.entries
}

/** As tfjs reads keys: class_name, className and class__name are one, and the last counts. */
const field = (record: Fields, name: string): unknown => {
  const key = Object.keys(record).findLast((candidate) => camelCase(candidate) === name)
  return key === undefined ? undefined : record[key]
}

const camelCase = (key: string): string => key.replace(/_+(\w|$)/g, (_, letter: string) => letter.toUpperCase())

const listIn = (value: unknown): ReadonlyArray<unknown> => (Array.isArray(value) ? value : [])

const configOf = (layer: unknown): unknown => (isRecord(layer) ? field(layer, "config") : undefined)

/** The layers of a model; old sequential models have nothing else in their config. */
const modelLayers = (layer: unknown): unknown => {
  const config = configOf(layer)
  return isRecord(config) ? field(config, "layers") : config
}

/** The layers in a layer: of a model, of a wrapper, of a recurrent layer (its cells). */
const layersIn = (layer: unknown): ReadonlyArray<unknown> => {
  const config = configOf(layer)
  const single = isRecord(config) ? ["layer", "cell"].map((name) => field(config, name)) : []
  const cells = isRecord(config) ? listIn(field(config, "cells")) : []
  return [...listIn(modelLayers(layer)), ...cells, ...single.filter((value) => value !== undefined)]
}

const countLayers = (layer: unknown): number => {
  const uses = isRecord(layer) ? listIn(field(layer, "inboundNodes")) : []
  const inputs = uses.reduce<number>((sum, node) => sum + listIn(node).length, 0)
  return layersIn(layer).reduce<number>((sum, inner) => sum + countLayers(inner), 1 + uses.length + inputs)
}

const isName = (name: unknown): name is string => typeof name === "string" && name !== "" && !(name in {})

/** What is wrong with one layer, apart from those in it. */
const layerProblem = (layer: unknown): string | undefined => {
  const [className, config] = isRecord(layer) ? [field(layer, "className"), field(layer, "config")] : []
  if (typeof className !== "string" || !(isRecord(config) || Array.isArray(config))) {
    return `is ${quoted(layer)}; expected class_name and config`
  }
  const { classNameMap } = serialization.SerializationMap.getMap()
  if (!Object.hasOwn(classNameMap, camelCase(className))) {
    return `has the class_name ${quoted(className)}, which tfjs does not have`
  }
  const name = nameOf(layer)
  return name === undefined || isName(name) ? undefined : `has the name ${quoted(name)}; expected a name`
}

const nameOf = (layer: unknown): unknown => {
  const config = configOf(layer)
  return isRecord(config) ? config["name"] : undefined
}

const checkLayer = (layer: unknown, where: string, problems: Listing): void => {
  const problem = layerProblem(layer)
  if (problem !== undefined) {
    problems.add(`${where} ${problem}`)
    return
  }
  const inside = layersIn(layer)
  for (const [i, innerLayer] of inside.entries()) {
    const name = nameOf(innerLayer)
    checkLayer(innerLayer, isName(name) ? `layer ${quoted(name)}` : `layer ${i} in ${where}`, problems)
  }
  if (problems.isEmpty && isGraph(layer)) checkOrder(inside, problems)
}

/** A sequential model calls its layers in their order. */
const isGraph = (layer: unknown): boolean =>
  isRecord(layer) && field(layer, "className") !== "Sequential" && Array.isArray(modelLayers(layer))

/** A layer of a graph, and its calls that were not made yet. */
interface Waiting {
  /** calls that were made, a model's own making included */
  made: number
  calls: ReadonlyArray<ReadonlyArray<Input>>
}

type Input = readonly [layer: string, call: number, output: number, ...rest: ReadonlyArray<unknown>]

const isInput = (value: unknown): value is Input =>
  Array.isArray(value) && isName(value[0]) && Number.isSafeInteger(value[1]) && Number.isSafeInteger(value[2])

/** Makes all calls as tfjs does, which goes through all layers again and again, each time with those that wait for an input. */
const checkOrder = (layers: ReadonlyArray<unknown>, problems: Listing): void => {
  const graph = new Map<string, Waiting>()
  for (const layer of layers) {
    if (!isRecord(layer)) continue
    const { name } = layer
    const calls = field(layer, "inboundNodes")
    if (!isName(name) || nameOf(layer) !== name) {
      problems.add(
        `a layer is called ${quoted(name)} and ${quoted(nameOf(layer))}; expected the same name in both places`
      )
    } else if (graph.has(name)) {
      problems.add(`two layers are called ${quoted(name)}; expected a name that no other layer has`)
    } else if (!isCalls(calls)) {
      problems.add(`layer ${quoted(name)} has the inbound_nodes ${quoted(calls)}; expected lists of [name, 0, 0, {}]`)
    } else {
      const begins = field(layer, "className") === "InputLayer" || listIn(modelLayers(layer)).length > 0
      graph.set(name, { made: begins ? 1 : 0, calls })
    }
  }
  if (!problems.isEmpty) return
  const isThere = ([layer, call]: Input) => (graph.get(layer)?.made ?? 0) > call
  let waits = 0
  for (let before = -1, left = 0; left !== before; waits += left) {
    if (waits > limit("layers-model-waits")) {
      problems.add(
        `its layers are listed before their inputs: ${wholeNumber(waits)} waits, more than ${overLimit("layers-model-waits")}`
      )
      return
    }
    before = left
    left = 0
    for (const layer of graph.values()) {
      const later = layer.calls.filter((call) => {
        if (!call.every(isThere)) return true
        if (call.length > 0) layer.made++
        return false
      })
      layer.calls = later
      left += later.length
    }
  }
  for (const [name, { calls }] of graph) {
    const missing = calls.flatMap((call) => call.filter((input) => !isThere(input)))[0]
    if (missing === undefined) continue
    problems.add(`layer ${quoted(name)} waits for ${quoted(missing[0])}, which is never called before it`)
  }
}

const isCalls = (calls: unknown): calls is ReadonlyArray<ReadonlyArray<Input>> =>
  Array.isArray(calls) && calls.every((call) => Array.isArray(call) && call.every(isInput))
