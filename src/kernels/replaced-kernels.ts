/**
 * Replaces kernels of tfjs with kernels of this package. tfjs keeps kernels in one global map per backend *name*; so they are installed when a
 * device opens and taken out when it closes, and a program that opens the backend by itself later gets the stock ones.
 */
import type { TensorInfo } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"

/** Version of tfjs and its backends whose private fields the devices use: the last release, frozen upstream since 2024. */
export const TFJS_VERSION = "4.22.0"

/** Arguments that tfjs passes to a kernel. */
export interface KernelCall<Backend> {
  readonly inputs: Readonly<Record<string, TensorInfo>>
  readonly attrs: Readonly<Record<string, unknown>>
  readonly backend: Backend
}

/** A kernel of a tfjs backend. */
export type Kernel<Backend> = (call: KernelCall<Backend>) => TensorInfo

/** One that may make several tensors. */
type AnyKernel<Backend> = (call: KernelCall<Backend>) => TensorInfo | ReadonlyArray<TensorInfo>

/** Kernels to install on a backend. */
export interface KernelTable<Backend> {
  /** creates each replacement from tfjs's kernel, which handles the calls that the replacement does not support */
  readonly replaced: Readonly<Record<string, (stock: Kernel<Backend>) => AnyKernel<Backend>>>
  /** kernels that tfjs lacks on this backend */
  readonly added?: Readonly<Record<string, Kernel<Backend>>>
}

/** Installs a table and returns a function that uninstalls it. tfjs's kernels must be set up before: the backend must be in use. */
export const installKernels = <Backend>(
  backendName: string,
  { replaced, added = {} }: KernelTable<Backend>
): (() => void) => {
  const undo: Array<() => void> = []
  const register = (kernelName: string, kernel: AnyKernel<Backend>) =>
    tf.registerKernel({ kernelName, backendName, kernelFunc: kernel as unknown as tf.KernelFunc })
  for (const [name, make] of Object.entries(replaced)) {
    const stock = tf.getKernel(name, backendName)
    if (stock === undefined)
      throw new Error(`tfjs' ${backendName} backend lacks ${name}: expected version ${TFJS_VERSION}`)
    tf.unregisterKernel(name, backendName)
    register(name, make(stock.kernelFunc as unknown as Kernel<Backend>))
    undo.push(() => {
      tf.unregisterKernel(name, backendName)
      tf.registerKernel(stock)
    })
  }
  for (const [name, kernel] of Object.entries(added)) {
    if (tf.getKernel(name, backendName) !== undefined) continue
    register(name, kernel)
    undo.push(() => tf.unregisterKernel(name, backendName))
  }
  return () => {
    for (const step of undo) step()
  }
}

/** A matrix product that the engines support: op(a)·op(b), with a [batch, m, k] (or transposed) and b [batch, k, n] (or transposed). */
export interface PlainProduct {
  readonly a: TensorInfo
  readonly b: TensorInfo
  readonly transposeA: boolean
  readonly transposeB: boolean
  readonly batch: number
  readonly m: number
  readonly n: number
  readonly k: number
  /** shape of the product */
  readonly shape: ReadonlyArray<number>
}

/**
 * Returns the product of a call, or undefined if it broadcasts, has another type, or has shapes that do not match; tfjs's kernel then computes it
 * or reports the error.
 */
export const plainProduct = ({ inputs, attrs }: KernelCall<unknown>): PlainProduct | undefined => {
  const [a, b] = [inputs["a"]!, inputs["b"]!]
  const [transposeA, transposeB] = [attrs["transposeA"] === true, attrs["transposeB"] === true]
  const outer = a.shape.slice(0, -2)
  const k = a.shape.at(transposeA ? -2 : -1)!
  if (a.dtype !== "float32" || b.dtype !== "float32") return undefined
  if (k !== b.shape.at(transposeB ? -1 : -2) || !tf.util.arraysEqual(outer, b.shape.slice(0, -2))) return undefined
  const [m, n] = [a.shape.at(transposeA ? -1 : -2)!, b.shape.at(transposeB ? -2 : -1)!]
  return { a, b, transposeA, transposeB, batch: tf.util.sizeFromShape(outer), m, n, k, shape: [...outer, m, n] }
}
