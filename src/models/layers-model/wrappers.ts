/**
 * TimeDistributed and Bidirectional: layers around layers, which stand in their place under the wrapper's own path.
 *
 *   TimeDistributed   the layer at every step, `<path>`: all steps are rows of one batch, since no layer mixes rows
 *   Bidirectional     `<path>.forward` and `<path>.backward`, joined as `mergeMode` says
 */
import * as tf from "@tensorflow/tfjs"
import type { Layer, LayerKind, Pass } from "./layer.ts"

const wrapped = (layer: Layer): Layer => (layer as unknown as { readonly layer: Layer }).layer

export const timeDistributed: LayerKind = {
  parts: (layer, path) => [{ layer: wrapped(layer), path }],
  call: (layer, _path, [x], { inner }) => {
    const [batch, length, ...shape] = x!.shape as [number, number, ...Array<number>]
    const [y] = inner(wrapped(layer), [tf.reshape(x!, [batch * length, ...shape])], null)
    return [tf.reshape(y!, [batch, length, ...y!.shape.slice(1)])]
  }
}

interface BothWays {
  readonly forwardLayer: Layer
  readonly backwardLayer: Layer
  readonly mergeMode: "concat" | "sum" | "ave" | "mul" | null
  readonly returnSequences: boolean
}

const bothWays = (layer: Layer): BothWays => layer as unknown as BothWays

const joins: Readonly<Record<string, (y: tf.Tensor, reversed: tf.Tensor) => tf.Tensor>> = {
  concat: (y, reversed) => tf.concat([y, reversed], -1),
  sum: tf.add,
  ave: (y, reversed) => tf.mul(0.5, tf.add(y, reversed)),
  mul: tf.mul
}

export const bidirectional: LayerKind = {
  parts: (layer, path) => {
    const { forwardLayer, backwardLayer } = bothWays(layer)
    return [
      { layer: forwardLayer, path: `${path}.forward` },
      { layer: backwardLayer, path: `${path}.backward` }
    ]
  },
  call: (layer, _path, [x, ...initial], { inner, mask }: Pass) => {
    const { forwardLayer, backwardLayer, mergeMode, returnSequences } = bothWays(layer)
    const half = initial.length / 2
    const [y, ...states] = inner(forwardLayer, [x!, ...initial.slice(0, half)], mask)
    const [last, ...lastStates] = inner(backwardLayer, [x!, ...initial.slice(half)], mask)
    const reversed = returnSequences ? tf.reverse(last!, 1) : last!
    const join = mergeMode === null ? undefined : joins[mergeMode]
    return [...(join === undefined ? [y!, reversed] : [join(y!, reversed)]), ...states, ...lastStates]
  }
}
