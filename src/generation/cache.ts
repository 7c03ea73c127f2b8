/**
 * Keys and values of all tokens so far, layer by layer, on the device: with them a model that writes computes each token once.
 *
 *   K ← (K, k)      V ← (V, v)      O = attention(q, K, V)
 *
 * Rows of a batch end together: a shorter one has padding before its first token, and free places stand before that. Both are segment −1
 * to the kernel (`kernels/causal-attention.ts`), whose queries are the last of the keys; so a batch computes what each row alone computes.
 *
 * tfjs cannot write into a tensor, so a step copies keys and values behind each other. That is as much memory traffic as attention has
 * itself, and small beside a model's weights. Where `multiple` is larger than 1, sizes are rounded up to it, for GPUs keep buffers by size.
 * A layer with a window forgets what no later token attends, each time that this is half of what it holds.
 *
 * Shapes: k, v [rows·queries, keyValueHeads·d]; K, V [rows·keys, keyValueHeads·d].
 */
import type { Tensor1D, Tensor2D, Tensor3D } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import { causalAttention } from "../kernels/causal-attention.ts"
import type { Attend } from "../models/causal/index.ts"

export interface KeyValueCache {
  /** tokens of a row so far, padding included */
  readonly length: () => number
  /**
   * Attention of one forward pass over `queries` more tokens of each row, which are kept. Tensor code: call it in the `tf.tidy` around
   * the pass, and the result once for each layer.
   */
  readonly pass: (queries: number) => Attend
  /** Forgets all rows but these, in this order. */
  readonly choose: (rows: ReadonlyArray<number>) => void
  readonly dispose: () => void
}

export interface CacheOptions {
  /** of each row: places before its first token */
  readonly padding: ReadonlyArray<number>
  /** keys of a row are a multiple of it; default 1 */
  readonly multiple?: number
}

/** of one layer */
interface Kept {
  readonly k: Tensor2D
  readonly v: Tensor2D
  /** places of a row that hold a token or padding of the batch: the last ones */
  readonly filled: number
  /** places of a row */
  readonly places: number
}

/** The caller disposes it. */
export const keyValueCache = ({ padding: given, multiple = 1 }: CacheOptions): KeyValueCache => {
  const layers: Array<Kept> = []
  let padding = given
  let length = 0
  const grown = (before: Kept | undefined, queries: number) => {
    const filled = (before?.filled ?? 0) + queries
    return { filled, places: Math.ceil(filled / multiple) * multiple }
  }
  /** Segments of the last `places` of each row: 0, or −1 where there is no token. int32 [rows·places] */
  const segments = (places: number): Tensor1D => {
    const end = length
    const values = padding.flatMap((pad) => Array.from({ length: places }, (_, i) => (end - places + i < pad ? -1 : 0)))
    return tf.tensor1d(values, "int32")
  }
  return {
    length: () => length,
    pass: (queries) => {
      const rows = padding.length
      length += queries
      const own = segments(queries)
      // made here, outside the blocks' tidies; most layers are equally long
      const needed = layers.length === 0 ? [grown(undefined, queries)] : layers.map((layer) => grown(layer, queries))
      const ofKeys = new Map([...new Set(needed.map(({ places }) => places))].map((n) => [n, segments(n)]))
      return (layer, q, k, v, shape) => {
        const before = layers[layer]
        const { filled, places } = grown(before, queries)
        const joined = (old: Tensor2D | undefined, fresh: Tensor2D) => joinedRows(rows, old, fresh, { filled, places })
        const K = joined(before?.k, k)
        const V = joined(before?.v, v)
        const out = causalAttention(q, K, V, own, ofKeys.get(places)!, shape)
        const needs = shape.window === null ? filled : Math.max(1, Math.min(filled, shape.window - 1))
        const size =
          filled >= 2 * needs ? { filled: needs, places: Math.ceil(needs / multiple) * multiple } : { filled, places }
        layers[layer] = {
          k: kept(lastPlaces(rows, K, size.places)),
          v: kept(lastPlaces(rows, V, size.places)),
          ...size
        }
        if (before !== undefined) tf.dispose([before.k, before.v])
        return out
      }
    },
    choose: (rows) => {
      tf.tidy(() =>
        layers.forEach((layer, i) => {
          const chosen = (x: Tensor2D) => kept(chosenRows(x, padding.length, rows))
          layers[i] = { ...layer, k: chosen(layer.k), v: chosen(layer.v) }
          tf.dispose([layer.k, layer.v])
        })
      )
      padding = rows.map((row) => padding[row]!)
    },
    dispose: () => {
      tf.dispose(layers.flatMap(({ k, v }) => [k, v]))
      layers.length = 0
    }
  }
}

/** Outlives the tidy. A tensor that something else holds as well is cloned, which copies nothing. */
const kept = (x: Tensor2D): Tensor2D => tf.keep(x.clone())

/** [rows·n, width] → [rows, n, width] */
const byRow = (x: Tensor2D, rows: number): Tensor3D => tf.reshape(x, [rows, x.shape[0] / rows, x.shape[1]])
const flat = (x: Tensor3D): Tensor2D => tf.reshape(x, [x.shape[0] * x.shape[1], x.shape[2]])

/** `fresh` behind the filled places of `old`, behind as many free places as it takes. */
const joinedRows = (
  rows: number,
  old: Tensor2D | undefined,
  fresh: Tensor2D,
  { filled, places }: { readonly filled: number; readonly places: number }
): Tensor2D => {
  const added = fresh.shape[0] / rows
  const before = filled - added
  const free = places - filled
  if (old === undefined && free === 0) return fresh
  const parts: Array<Tensor3D> = [byRow(fresh, rows)]
  if (old !== undefined) {
    const own = byRow(old, rows)
    // as many places as before: what is free there moves to the front by itself
    const taken = Math.min(own.shape[1], before + free)
    parts.unshift(taken === own.shape[1] ? own : tf.slice(own, [0, own.shape[1] - taken, 0], [-1, taken, -1]))
  }
  const missing = places - parts.reduce((sum, part) => sum + part.shape[1], 0)
  if (missing > 0) parts.unshift(tf.zeros([rows, missing, fresh.shape[1]]))
  return flat(tf.concat(parts, 1))
}

/** The last places of each row. */
const lastPlaces = (rows: number, x: Tensor2D, places: number): Tensor2D => {
  const all = x.shape[0] / rows
  return places === all ? x : flat(tf.slice(byRow(x, rows), [0, all - places, 0], [-1, places, -1]))
}

const chosenRows = (x: Tensor2D, rows: number, chosen: ReadonlyArray<number>): Tensor2D =>
  flat(tf.gather(byRow(x, rows), tf.tensor1d([...chosen], "int32")))
