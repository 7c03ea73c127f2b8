/**
 * Keys and values of all tokens so far, per layer, on the device, so that generation computes each token only once.
 *
 *   K ← (K, k)      V ← (V, v)      O = attention(q, K, V)
 *
 * Each layer holds them in buffers with free slots at the end, so a token is written in place (`kernels/put-rows.ts`); only a
 * full buffer is copied, once every `ROOM` tokens. A layer with a sliding window then drops the tokens that no later token attends to.
 *
 * Rows of a batch are left-padded to end together. To the kernel (`kernels/attention.ts`), positions
 * that a query does not attend to have segment −1: padding, free slots and, for a single query, which then need not be at the last key,
 * positions before its window. A batch therefore computes what each row alone would. Several queries read a copy without free slots.
 *
 * If `multiple` is larger than 1, buffers are rounded up to it, because GPUs pool memory by size.
 *
 * Shapes: k, v [rows·queries, keyValueHeads·d]; K, V [rows·places, keyValueHeads·d].
 */
import type { Tensor1D, Tensor2D, Tensor3D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { attention, putRows } from "../kernels/index.ts"
import type { Attend } from "../models/causal/index.ts"

/** Key-value cache: keys and values of the tokens read so far, so that each further token costs one forward pass of its own. */
export interface KeyValueCache {
  /** Number of tokens per row so far, padding included. */
  readonly length: () => number
  /**
   * Returns the attention of one forward pass over `queries` more tokens of each row, which are cached. Tensor code: call it in the `tf.tidy`
   * around the pass, and the result once per layer. `ahead`: number of tokens known to follow in later passes, for which room is reserved.
   */
  readonly pass: (queries: number, ahead?: number) => Attend
  /**
   * Truncates each row to its first `length` tokens; later calls may truncate to as many or more at any time. Returns false, and truncates
   * nothing, if a layer has already dropped tokens that its window holds at that length.
   */
  readonly cut: (length: number) => boolean
  /** Removes all tokens; `padding`: the new padding of each row. */
  readonly restart: (padding: ReadonlyArray<number>) => void
  /** Keeps only these rows, in this order. */
  readonly choose: (rows: ReadonlyArray<number>) => void
  /** Disposes the cache's tensors. The cache must not be used afterwards. */
  readonly dispose: () => void
}

/** Options for `keyValueCache`. */
export interface CacheOptions {
  /** positions of padding before the first token of each row */
  readonly padding: ReadonlyArray<number>
  /** the positions of a row are rounded up to a multiple of this; default 1 */
  readonly multiple?: number
}

/** Free places of a buffer that was copied, at most; fewer where it holds fewer tokens. */
const ROOM = 128

/** of one layer */
interface CachedLayer {
  readonly k: Tensor2D
  readonly v: Tensor2D
  /** the token in the first place of each row; the others follow it */
  readonly start: number
  /** places of a row */
  readonly places: number
  readonly window: number | null
}

/** Creates an empty cache. The caller disposes it. */
export const keyValueCache = ({ padding: initialPadding, multiple = 1 }: CacheOptions): KeyValueCache => {
  const layers: Array<CachedLayer> = []
  let padding = initialPadding
  let length = 0
  /** where it may be cut to at least; null: it is never cut */
  let mark: number | null = null
  /** segments of places, by what they depend on, of the latest pass */
  const segments = new Map<string, Tensor1D>()
  const forgetSegments = () => {
    tf.dispose([...segments.values()])
    segments.clear()
  }
  /** int32 [rows·places]: 0 where a place holds a token from `first` on, else −1. Most layers ask for the same. */
  const segmentsOf = (start: number, places: number, first: number): Tensor1D => {
    const key = `${start} ${places} ${first}`
    const cached = segments.get(key)
    if (cached !== undefined) return cached
    const values = new Int32Array(padding.length * places).fill(-1)
    for (const [row, pad] of padding.entries()) {
      const [from, to] = [Math.max(pad, first) - start, length - start]
      if (from < to) values.fill(0, row * places + Math.max(0, from), row * places + to)
    }
    const segment = tf.keep(tf.tensor1d(values, "int32"))
    segments.set(key, segment)
    return segment
  }
  /** The layer with keys and values after those that it holds. */
  const appended = (
    before: CachedLayer | undefined,
    k: Tensor2D,
    v: Tensor2D,
    window: number | null,
    ahead: number
  ): CachedLayer => {
    const batch = padding.length
    const from = length - k.shape[0] / batch
    if (before !== undefined && length - before.start <= before.places) {
      const putFresh = (into: Tensor2D, fresh: Tensor2D) =>
        tf.keep(putRows(into, fresh, { batch, at: from - before.start }))
      return { ...before, k: putFresh(before.k, k), v: putFresh(before.v, v) }
    }
    // what the first of these tokens attends to, and the first after a truncation
    const firstNeeded = window === null ? 0 : Math.max(0, Math.min(from, mark ?? from) - window + 1)
    const start = Math.max(before?.start ?? 0, firstNeeded)
    const keptRows = length - start
    // a window drops most of what follows again
    const room = (window === null ? ahead : 0) + Math.min(ROOM, keptRows)
    const places = Math.ceil((keptRows + room) / multiple) * multiple
    const moved = (old: Tensor2D | undefined, fresh: Tensor2D) => {
      const newRows = byRow(fresh, batch)
      const free = tf.zeros<tf.Rank.R3>([batch, places - keptRows, newRows.shape[2]])
      const oldRows = old === undefined ? [] : [placesOf(byRow(old, batch), start - before!.start, from - start)]
      return tf.keep(flat(tf.concat([...oldRows, newRows, free], 1)))
    }
    const grown = { k: moved(before?.k, k), v: moved(before?.v, v), start, places, window }
    if (before !== undefined) tf.dispose([before.k, before.v])
    return grown
  }
  const forget = () => {
    forgetSegments()
    tf.dispose(layers.flatMap(({ k, v }) => [k, v]))
    layers.length = 0
  }
  return {
    length: () => length,
    pass: (queries, ahead = 0) => {
      forgetSegments()
      const batch = padding.length
      length += queries
      const newSegments = segmentsOf(length - queries, queries, 0)
      return (layer, q, k, v, { window, ...heads }) => {
        const before = layers[layer]
        const layerCache = appended(before, k, v, window, ahead)
        layers[layer] = layerCache
        const { start, places } = layerCache
        if (queries === 1) {
          const first = window === null ? 0 : Math.max(0, length - window)
          const segments = { queries: newSegments, keys: segmentsOf(start, places, first) }
          return attention({ q, k: layerCache.k, v: layerCache.v, ...heads, mask: { causal: true, segments } })
        }
        const held = length - start
        // a copy, but for the first pass, whose keys are all there are
        const fullRows = (buffer: Tensor2D, fresh: Tensor2D) =>
          before === undefined ? fresh : flat(placesOf(byRow(buffer, batch), 0, held))
        const segments = { queries: newSegments, keys: segmentsOf(start, held, 0) }
        const mask = { causal: true, window, segments }
        return attention({ q, k: fullRows(layerCache.k, k), v: fullRows(layerCache.v, v), ...heads, mask })
      }
    },
    cut: (to) => {
      const isWhole = layers.every(({ start, window }) => start === 0 || (window !== null && start <= to - window + 1))
      if (!isWhole) return false
      length = to
      mark = to
      return true
    },
    choose: (rows) => {
      tf.tidy(() =>
        layers.forEach((layer, i) => {
          const chosenOf = (x: Tensor2D) => tf.keep(chosenRows(x, padding.length, rows))
          layers[i] = { ...layer, k: chosenOf(layer.k), v: chosenOf(layer.v) }
          tf.dispose([layer.k, layer.v])
        })
      )
      padding = rows.map((row) => padding[row]!)
    },
    restart: (now) => {
      forget()
      padding = now
      length = 0
      if (mark !== null) mark = 0
    },
    dispose: forget
  }
}

/** Reshapes [rows·n, width] to [rows, n, width]. */
export const byRow = (x: Tensor2D, rows: number): Tensor3D => tf.reshape(x, [rows, x.shape[0] / rows, x.shape[1]])
/** Reshapes [rows, n, width] to [rows·n, width]. */
export const flat = (x: Tensor3D): Tensor2D => tf.reshape(x, [x.shape[0] * x.shape[1], x.shape[2]])

/** [rows, n, width] → [rows, count, width] */
const placesOf = (x: Tensor3D, at: number, count: number): Tensor3D => tf.slice(x, [0, at, 0], [-1, count, -1])

/** Selects rows, in the given order: [rows·n, width] → [chosen·n, width]. */
export const chosenRows = (x: Tensor2D, rows: number, chosen: ReadonlyArray<number>): Tensor2D =>
  flat(tf.gather(byRow(x, rows), tf.tensor1d([...chosen], "int32")))
