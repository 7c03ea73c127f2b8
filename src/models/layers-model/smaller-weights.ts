/**
 * Weights of a `tf.LayersModel` in fewer bytes, as tfjs reads them back by itself (`quantization` of the manifest), and as its converter
 * stores them:
 *
 *   float16   the nearest half
 *   uint8     w ≈ q · scale + min, q in 0…255: a range for each tensor, from its smallest to its largest number, moved by at most half a
 *             step so that 0 is stored as 0
 *
 * Differs from the converter: it stores every float tensor so, here those of one axis (biases, the numbers of a normalization) stay as they
 * are. They are few and as large as they are for a reason: a variance that is rounded to 0 divides by almost nothing.
 *
 * @see https://github.com/tensorflow/tfjs/blob/master/tfjs-converter/python/tensorflowjs/quantization.py
 */
import type * as tf from "@tensorflow/tfjs-core"
import { fromFloat16, LARGEST_HALF, toFloat16 } from "../../numbers/index.ts"

type Spec = tf.io.WeightsManifestEntry

/** Storage format of a weight. */
export type SmallerForm = "float16" | "uint8"

/** Weights as a manifest describes them, concatenated. */
export interface StoredWeights {
  readonly specs: ReadonlyArray<Spec>
  readonly data: Uint8Array
}

/** A tensor that is stored in fewer bytes. */
export interface SmallerTensor {
  /** name of the weight in the manifest */
  readonly name: string
  /** largest difference between a value read back and the original */
  readonly largestError: number
  /** difference between adjacent uint8 values; absent for float16 */
  readonly step?: number
}

/** Weights in the smaller format. */
export interface SmallerWeights extends StoredWeights {
  /** tensors that changed, in order */
  readonly changed: ReadonlyArray<SmallerTensor>
}

interface Stored {
  readonly bytes: Uint8Array
  readonly quantization: NonNullable<Spec["quantization"]>
  /** what a reader computes of it */
  readonly readBack: Float32Array
  readonly step?: number
}

const half = (values: Float32Array): Stored | undefined => {
  // what is beyond the largest half would be infinite
  if (!values.every((value) => Math.abs(value) <= LARGEST_HALF)) return undefined
  const halves = new Uint16Array(values.length)
  toFloat16(values, halves)
  return {
    bytes: new Uint8Array(halves.buffer),
    quantization: { dtype: "float16" },
    readBack: fromFloat16(halves)
  }
}

const LEVELS = 255

const byte = (values: Float32Array): Stored | undefined => {
  let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
  for (const value of values) {
    if (!Number.isFinite(value)) return undefined
    least = Math.min(least, value)
    most = Math.max(most, value)
  }
  // all numbers are the same one: it is `min`, and every q is 0
  const scale = most === least ? 1 : (most - least) / LEVELS
  const zero = least <= 0 && most >= 0 && most > least ? Math.round(-least / scale) : undefined
  // as `0 - x` and not `-x`: JSON has no −0
  const min = zero === undefined ? least : 0 - zero * scale
  const bytes = Uint8Array.from(values, (value) => Math.min(LEVELS, Math.max(0, Math.round((value - min) / scale))))
  return {
    bytes,
    quantization: { dtype: "uint8", min, scale },
    readBack: Float32Array.from(bytes, (q) => q * scale + min),
    step: most === least ? 0 : scale
  }
}

const forms = { float16: half, uint8: byte } as const satisfies Record<SmallerForm, unknown>

/** Whether a tensor is a table of numbers, of which there may be many: more than one of its axes is longer than 1. */
const isTable = ({ shape }: Spec): boolean => shape.filter((n) => n > 1).length > 1

const bytesOf = ({ dtype, shape }: Spec): number =>
  shape.reduce((product, n) => product * n, 1) * (dtype === "bool" ? 1 : 4)

/** `weights` as `tf.LayersModel.save` gives them: float32, int32 and bool. A tensor that the format cannot represent is kept unchanged. */
export const smallerWeights = ({ specs, data }: StoredWeights, form: SmallerForm): SmallerWeights => {
  let at = 0
  const parts: Array<Uint8Array> = []
  const changed: Array<SmallerTensor> = []
  const converted = specs.map((spec) => {
    // a copy: a view of a file's bytes may begin anywhere, and Node's Buffer has a `slice` that makes none
    const bytes = new Uint8Array(data.subarray(at, at + bytesOf(spec)))
    at += bytes.length
    const values = spec.dtype === "float32" && isTable(spec) ? new Float32Array(bytes.buffer) : undefined
    const stored = values === undefined ? undefined : forms[form](values)
    if (values === undefined || stored === undefined) {
      parts.push(bytes)
      return spec
    }
    parts.push(stored.bytes)
    const { step, readBack } = stored
    const largestError = values.reduce((largest, value, i) => Math.max(largest, Math.abs(readBack[i]! - value)), 0)
    changed.push({ name: spec.name, largestError, ...(step === undefined ? {} : { step }) })
    return { ...spec, quantization: { ...stored.quantization, original_dtype: "float32" as const } }
  })
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let end = 0
  for (const part of parts) {
    all.set(part, end)
    end += part.length
  }
  return { specs: converted, data: all, changed }
}
