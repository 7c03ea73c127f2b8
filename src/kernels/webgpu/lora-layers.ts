/**
 * The kernel of `../lora-linears.ts`. It is here because a GPU alone has it, so that a page without one never fetches it. h_i = xA_iᵀ is
 * kept, and x′ is x's data again.
 */
import type { NamedTensorMap, Tensor, Tensor2D, TensorInfo } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { type FannedOut, isPacked, isRecording, isWanted } from "../../tensors/index.ts"
import { defineKernel } from "../kernel.ts"
import type { LoraLayer, LoraLinearsOptions } from "../lora-layer.ts"
import { sizeOf } from "../tensor-lists.ts"
import type { WebgpuEngine } from "./engine.ts"
import { loraLinearsGradientOnWebgpu, loraLinearsOnWebgpu } from "./lora-linears.ts"

type Tensors<T> = Readonly<Record<string, T>>

/** Inputs of a kernel by their layer: made once, for a name that is made anew each time is slow to look up. */
const NAMES = {
  W: ["W0", "W1", "W2"],
  bias: ["bias0", "bias1", "bias2"],
  A: ["A0", "A1", "A2"],
  B: ["B0", "B1", "B2"],
  dy: ["dy0", "dy1", "dy2"]
} as const
const MOST_LAYERS = NAMES.W.length

const each = <T>(inputs: Tensors<T>, name: keyof typeof NAMES, count: number): ReadonlyArray<T> => {
  const values: Array<T> = []
  for (let i = 0; i < count; i++) values.push(inputs[NAMES[name][i]!]!)
  return values
}

const numbered = <T>(name: keyof typeof NAMES, values: ReadonlyArray<T>): Tensors<T> =>
  Object.fromEntries(values.map((value, i) => [NAMES[name][i]!, value]))

const layersOf = <T>(inputs: Tensors<T>, count: number) => ({
  W: each(inputs, "W", count),
  A: each(inputs, "A", count),
  B: each(inputs, "B", count)
})

interface GradientAttributes {
  readonly scale: number
  readonly count: number
  readonly wantsX: boolean
}

const gradients = defineKernel<string, GradientAttributes>({
  name: "LoraLinearsGradient",
  reference: (inputs, { scale, count, wantsX }) => {
    const { W, A, B } = layersOf(inputs, count)
    const [x, plus] = [inputs["x"]!, inputs["plus"]]
    const dy = each(inputs, "dy", count)
    const h = tf.split(inputs["h"]!, count)
    const dh = dy.map((dyOfLayer, i) => tf.mul(tf.matMul(dyOfLayer, B[i]!), scale))
    const terms = dy.map((dyOfLayer, i) => tf.add(tf.matMul(dyOfLayer, W[i]!), tf.matMul(dh[i]!, A[i]!)))
    return [
      ...(wantsX ? [tf.addN([...terms, ...(plus === undefined ? [] : [plus])])] : []),
      ...dy.flatMap((dyOfLayer, i) => [
        tf.matMul(dh[i]!, x, true, false),
        tf.mul(tf.matMul(dyOfLayer, h[i]!, true, false), scale)
      ])
    ]
  },
  webgpu: (inputs, { count, ...attributes }, engine) =>
    loraLinearsGradientOnWebgpu(engine, {
      ...{ x: inputs["x"]!, h: inputs["h"]!, plus: inputs["plus"] },
      ...{ ...layersOf(inputs, count), dy: each(inputs, "dy", count), ...attributes }
    })
})

/** Kernels of `../gelu.ts`, which this file cannot import: its programs are in this folder. */
const GELU = { erf: "GeluErf", tanh: "GeluTanh", quick: "GeluQuick" } as const

const run = (kernel: string, inputs: NamedTensorMap): ReadonlyArray<Tensor> =>
  tf.engine().runKernel(kernel, inputs) as Array<Tensor>

/** The same data again, as an output. */
const again = (x: TensorInfo): TensorInfo => {
  tf.backend().incRef(x.dataId)
  return { ...x }
}

/** For so many layers; `passes`: with x again; `form`: of the GELU that y of a layer by itself goes through. */
const kernelFor = (count: number, passes: boolean, form?: keyof typeof GELU) => {
  const inputsToSave = ["x", ...[NAMES.W, NAMES.A, NAMES.B].flatMap((names) => names.slice(0, count))]
  const outputs = count + (passes ? 1 : 0)
  return defineKernel<string, { readonly scale: number }>({
    name: `LoraLinears_${count}${passes ? "_passed" : ""}${form === undefined ? "" : `_${form}`}`,
    reference: (inputs, { scale }) => {
      const { W, A, B } = layersOf(inputs, count)
      const x = inputs["x"]!
      const h = A.map((factor) => tf.matMul(x, factor, false, true))
      const y = W.map((weight, i) => {
        const sum = tf.add(tf.matMul(x, weight, false, true), tf.mul(tf.matMul(h[i]!, B[i]!, false, true), scale))
        const bias = inputs[NAMES.bias[i]!]
        return bias === undefined ? sum : tf.add(sum, bias)
      })
      const [value, derivative] = form === undefined ? [] : run(GELU[form], { x: y[0]! })
      const saved = [tf.concat(h), ...(derivative === undefined ? [] : [derivative])]
      return [...(value === undefined ? y : [value]), ...(passes ? [tf.clone(x)] : []), ...saved]
    },
    webgpu: (inputs, { scale }, engine) => {
      const x = inputs["x"]!
      const bias = inputs["bias0"] === undefined ? undefined : each(inputs, "bias", count)
      const activation = form === undefined ? undefined : GELU[form]
      const layers = { x, ...layersOf(inputs, count), bias, scale, activation }
      const [y, saved] = loraLinearsOnWebgpu(engine, layers)
      return [...y, ...(passes ? [again(x)] : []), ...saved]
    },
    inputsToSave,
    outputsToSave: [...Array<boolean>(outputs).fill(false), true, true],
    outputsWithGradient: outputs,
    gradient: (dys, saved, { scale }) => {
      const dy =
        form === undefined ? dys.slice(0, count) : run("GeluBackward", { dy: dys[0]!, derivative: saved.at(-1)! })
      const plus = passes && isWanted("x") ? { plus: dys[count]! } : {}
      const inputs: Record<string, Tensor> = { ...plus, h: saved[inputsToSave.length]! }
      for (const [i, name] of inputsToSave.entries()) inputs[name] = saved[i]!
      for (const [i, dyOfLayer] of dy.entries()) inputs[NAMES.dy[i]!] = dyOfLayer
      // all share dh
      const wantsX = isWanted("x")
      const results = gradients(inputs, { scale, count, wantsX })
      const first = wantsX ? 1 : 0
      const gradientOf: Record<string, Tensor> = wantsX ? { x: results[0]! } : {}
      for (let i = 0; i < count; i++) {
        gradientOf[NAMES.A[i]!] = results[first + 2 * i]!
        gradientOf[NAMES.B[i]!] = results[first + 2 * i + 1]!
      }
      return gradientOf
    }
  })
}

const kernels = Array.from({ length: MOST_LAYERS }, (_, i) => ({
  plain: kernelFor(i + 1, false),
  passed: kernelFor(i + 1, true)
}))
const activated = {
  erf: kernelFor(1, true, "erf"),
  tanh: kernelFor(1, true, "tanh"),
  quick: kernelFor(1, true, "quick")
}

const areAlike = (a: LoraLayer, b: LoraLayer): boolean =>
  (a.bias === null) === (b.bias === null) &&
  a.scale === b.scale &&
  (["W", "A", "B"] as const).every((name) => a[name].shape.every((n, i) => n === b[name].shape[i]))

/** Are there programs for these layers, here? */
const together = (engine: WebgpuEngine, x: Tensor2D, layers: ReadonlyArray<LoraLayer>): boolean => {
  if (layers.length > MOST_LAYERS) return false
  const [first] = layers
  const alike = layers.every((layer) => !isPacked(layer.W) && (layer === first || areAlike(layer, first!)))
  const [out, inputs] = first!.W.shape
  return alike && layers.length * Math.max(inputs, x.shape[0]) * out <= engine.mostNumbers && sizeOf(x) > 0
}

/** Computes `loraLinears` on WebGPU. */
export const loraLayersOnWebgpu = (
  engine: WebgpuEngine,
  x: Tensor2D,
  layers: ReadonlyArray<LoraLayer>,
  { passes = true, form }: LoraLinearsOptions
): FannedOut | undefined => {
  if (!together(engine, x, layers) || (form !== undefined && !(isRecording() && layers.length === 1))) return undefined
  const { scale, bias } = layers[0]!
  const of = (name: "W" | "A" | "B" | "bias") =>
    numbered(
      name,
      layers.map((layer) => layer[name] as Tensor)
    )
  const inputs = { x, ...of("W"), ...(bias === null ? {} : of("bias")), ...of("A"), ...of("B") }
  const { plain, passed } = kernels[layers.length - 1]!
  const results = (form !== undefined ? activated[form] : passes ? passed : plain)(inputs, { scale })
  // the tape holds its own handles
  for (const saved of results.slice(layers.length + (passes ? 1 : 0))) saved.dispose()
  return {
    outputs: results.slice(0, layers.length) as ReadonlyArray<Tensor2D>,
    x: (passes ? results[layers.length] : x) as Tensor2D
  }
}
