/**
 * SimpleRNN, LSTM and GRU (and RNN with one cell of these), as tfjs computes them, with two linear layers as arguments: `<path>.kernel` of
 * the input, for all steps at once, and `<path>.recurrent` of the state, step by step.
 *
 *   SimpleRNN   h ← a(W x + b + U h)
 *   LSTM        [i f c o] = W x + b + U h     c ← σ(f)·c + σ(i)·a(c̃)     h ← σ(o)·a(c)
 *   GRU         [z r h̃] = W x + b, with U h for z and r, and U(σ(r)·h) for h̃     h ← σ(z)·h + (1 − σ(z))·a(h̃)
 *
 * A masked step keeps the state. U of a GRU has two inputs, so it is one layer that runs twice: a part of each of its outputs is used.
 */

import * as tf from "@tensorflow/tfjs-core"
import type { layers } from "@tensorflow/tfjs-layers"
import { type LinearSite, stopGradient } from "../../tensors/index.ts"
import {
  type Activation,
  asItIs,
  kernelAsMatrix,
  type Layer,
  type LayerKind,
  type Pass,
  weightShapes
} from "./layer.ts"

/** What tfjs's layers of this kind have. */
interface Recurrent {
  readonly cell: layers.Layer & {
    readonly units: number
    readonly activation: Activation
    readonly recurrentActivation?: Activation
  }
  readonly returnSequences: boolean
  readonly returnState: boolean
  readonly goBackwards: boolean
}

const recurrentOf = (layer: Layer): Recurrent => layer as unknown as Recurrent

interface Step {
  /** W x + b of this step [batch, gates · units] */
  readonly x: tf.Tensor2D
  readonly state: ReadonlyArray<tf.Tensor2D>
  /** U h [batch, gates · units] */
  readonly recurrent: (h: tf.Tensor2D) => tf.Tensor2D
  readonly cell: Recurrent["cell"]
}

/** One step of a cell; the first part of the state is the output. */
interface Cell {
  readonly states: number
  readonly next: (step: Step) => ReadonlyArray<tf.Tensor2D>
}

/** A part of [batch, gates · units], beginning at a gate. */
const gates = (z: tf.Tensor2D, first: number, count: number, units: number): tf.Tensor2D =>
  tf.slice(z, [0, first * units], [z.shape[0], count * units])

const applied = (activation: Activation, x: tf.Tensor): tf.Tensor2D => activation.apply(x) as tf.Tensor2D

const simple: Cell = {
  states: 1,
  next: ({ x, state: [h], recurrent, cell }) => [applied(cell.activation, tf.add(x, recurrent(h!)))]
}

const lstm: Cell = {
  states: 2,
  next: ({ x, state: [h, c], recurrent, cell: { units, activation, recurrentActivation } }) => {
    const z = tf.add<tf.Tensor2D>(x, recurrent(h!))
    const gate = (i: number) => applied(recurrentActivation!, gates(z, i, 1, units))
    const carry = tf.add<tf.Tensor2D>(tf.mul(gate(1), c!), tf.mul(gate(0), applied(activation, gates(z, 2, 1, units))))
    return [tf.mul(gate(3), applied(activation, carry)), carry]
  }
}

const gru: Cell = {
  states: 1,
  next: ({ x, state: [h], recurrent, cell: { units, activation, recurrentActivation } }) => {
    const both = tf.add<tf.Tensor2D>(gates(x, 0, 2, units), gates(recurrent(h!), 0, 2, units))
    const [z, r] = [0, 1].map((i) => applied(recurrentActivation!, gates(both, i, 1, units)))
    const reset = gates(recurrent(tf.mul(r!, h!)), 2, 1, units)
    const candidate = applied(activation, tf.add(gates(x, 2, 1, units), reset))
    return [tf.add(tf.mul(z!, h!), tf.mul(tf.sub(1, z!), candidate))]
  }
}

const cells: Readonly<Record<string, Cell>> = { SimpleRNNCell: simple, LSTMCell: lstm, GRUCell: gru }

const cellOf = (layer: Layer): Cell | undefined => cells[recurrentOf(layer).cell.getClassName()]

const sitesOf = (layer: Layer, path: string): readonly [kernel: LinearSite, recurrent: LinearSite] => {
  const [kernel, recurrent, bias] = weightShapes(layer)
  return [
    { name: `${path}.kernel`, kind: "dense", out: kernel![1]!, in: kernel![0]!, ...noBias(bias !== undefined) },
    { name: `${path}.recurrent`, kind: "dense", out: recurrent![1]!, in: recurrent![0]!, bias: false }
  ]
}

const noBias = (has: boolean): { readonly bias?: false } => (has ? {} : { bias: false })

/** SimpleRNN, GRU and LSTM. */
export const recurrent: LayerKind = {
  takes: (layer) => cellOf(layer) !== undefined,
  sites: sitesOf,
  parameters: (layer, path) => {
    const [kernel, recurrentKernel, bias] = weightShapes(layer)
    return [
      kernelAsMatrix(`${path}.kernel.weight`, 0, kernel!),
      kernelAsMatrix(`${path}.recurrent.weight`, 1, recurrentKernel!),
      ...(bias === undefined ? [] : [asItIs(`${path}.kernel.bias`, 2, bias)])
    ]
  },
  call: (layer, path, [x, ...initial], { linear, mask }) => {
    const { cell, returnSequences, returnState, goBackwards } = recurrentOf(layer)
    const { states, next } = cellOf(layer)!
    const [kernel, recurrent] = sitesOf(layer, path)
    const [batch, length, width] = x!.shape as [number, number, number]
    const projected = tf.reshape(linear(kernel, tf.reshape(x!, [batch * length, width])), [batch, length, kernel.out])
    const keeps = mask === null ? null : stopGradient(() => tf.cast(tf.cast(mask, "bool"), "float32"))
    let state = initial.length > 0 ? (initial as ReadonlyArray<tf.Tensor2D>) : zeros(states, [batch, cell.units])
    const outputs: Array<tf.Tensor2D> = []
    for (let i = 0; i < length; i++) {
      const t = goBackwards ? length - 1 - i : i
      const projectedStep = tf.reshape<tf.Rank.R2>(tf.slice(projected, [0, t, 0], [batch, 1, kernel.out]), [
        batch,
        kernel.out
      ])
      const after = next({ x: projectedStep, state, recurrent: (h) => linear(recurrent, h), cell })
      state = keeps === null ? after : maskedStates(after, state, tf.slice(keeps, [0, t], [batch, 1]))
      if (returnSequences) outputs.push(state[0]!)
    }
    return [returnSequences ? tf.stack(outputs, 1) : state[0]!, ...(returnState ? state : [])]
  }
}

const zeros = (count: number, shape: readonly [number, number]): ReadonlyArray<tf.Tensor2D> =>
  Array.from({ length: count }, () => tf.zeros<tf.Rank.R2>([...shape]))

/** mask [batch, 1]: where it is 0 the state stays. */
const maskedStates = (
  after: ReadonlyArray<tf.Tensor2D>,
  before: ReadonlyArray<tf.Tensor2D>,
  mask: tf.Tensor
): ReadonlyArray<tf.Tensor2D> =>
  after.map((state, i) => tf.add(tf.mul(state, mask), tf.mul(before[i]!, tf.sub(1, mask))))

/** TimeDistributed: the layer at every step, `<path>`. All steps are rows of one batch, since no layer mixes rows. */
const wrapped = (layer: Layer): Layer => (layer as unknown as { readonly layer: Layer }).layer

/** TimeDistributed. */
export const timeDistributed: LayerKind = {
  parts: (layer, path) => [{ layer: wrapped(layer), path }],
  call: (layer, _path, [x], { inner }) => {
    const [batch, length, ...shape] = x!.shape as [number, number, ...Array<number>]
    const [y] = inner(wrapped(layer), [tf.reshape(x!, [batch * length, ...shape])], null)
    return [tf.reshape(y!, [batch, length, ...y!.shape.slice(1)])]
  }
}

/** Bidirectional: `<path>.forward` and `<path>.backward`, joined as `mergeMode` says. */
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

/** Bidirectional. */
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
