/**
 * Keys and values of texts that join and leave at any token. Each text has a slot, the same in every layer, and begins in the slot's first
 * place: nothing that it attends to depends on the other texts, not even the places that its sums begin at.
 *
 *   step          one token of each of some texts: queries are spread over the slots, and slots without one have segment −1
 *   part          several tokens of a text, which read a copy of its slot without free places
 *
 * All slots have equally many places. They grow by doubling up to the longest text that may be written, and shrink to it when it leaves. A
 * sliding window is a mask here; its earlier tokens keep their places.
 *
 * Shapes: q [tokens, heads·d], k, v [tokens, keyValueHeads·d]: those of steps, then those of parts; K, V [slots·places, keyValueHeads·d].
 */
import type { Tensor1D, Tensor2D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { attention, putRows } from "../kernels/index.ts"
import type { Attend } from "../models/causal/index.ts"
import { byRow, flat } from "./cache.ts"

/** Keys and values of texts that join and leave. */
export interface RowCache {
  /** Gives a text of at most `longest` tokens a slot, and returns it. */
  readonly join: (longest: number) => number
  /** Frees a slot. */
  readonly leave: (slot: number) => void
  /** Removes the tokens of a text, which keeps its slot. */
  readonly restart: (slot: number) => void
  /** Copies the keys and values of the first `count` tokens of a text, by layer. The caller disposes them. */
  readonly copy: (slot: number, count: number) => ReadonlyArray<KeysValues>
  /** Gives a text without tokens the first `count` of a copy. The next pass reads the copy. */
  readonly begin: (slot: number, from: ReadonlyArray<KeysValues>, count: number) => void
  /** Number of tokens of a text so far. */
  readonly length: (slot: number) => number
  /** Places of all slots, as many as there are if one more text of at most `longest` tokens joins. */
  readonly placesWith: (longest: number) => number
  /**
   * Returns the attention of a forward pass over one more token of each slot of `steps`, then of `count` more of each part; a slot is in one
   * of the two. The only token of a pass may be there twice. Tensor code: call it in the `tf.tidy` around the pass, and the result once per
   * layer.
   */
  readonly pass: (steps: ReadonlyArray<number>, parts: ReadonlyArray<Part>) => Attend
  /** Disposes all tensors. The cache must not be used afterwards. */
  readonly dispose: () => void
}

/** Tokens of one text in a pass. */
export interface Part {
  readonly slot: number
  /** number of tokens, at least 2 */
  readonly count: number
}

/** Keys and values [tokens, keyValueHeads·d] of one layer. */
export interface KeysValues {
  readonly k: Tensor2D
  readonly v: Tensor2D
}

interface Layer extends KeysValues {
  readonly slots: number
  readonly places: number
}

/** of a text */
interface Slot {
  readonly longest: number
  length: number
  /** its first tokens, until they are in their places */
  start: { readonly from: ReadonlyArray<KeysValues>; readonly count: number } | null
}

/** Places of a slot when its first token is read, at least. */
const FIRST_PLACES = 64

/** Creates an empty cache. `multiple`: places are rounded up to a multiple of it. The caller disposes it. */
export const rowCache = (multiple = 1): RowCache => {
  const layers: Array<Layer> = []
  /** undefined: free */
  const slots: Array<Slot | undefined> = []
  let places = 0
  const roundedUp = (count: number) => Math.ceil(count / multiple) * multiple
  const mostPlaces = (more = 0) => roundedUp(slots.reduce((most, slot) => Math.max(most, slot?.longest ?? 0), more))
  /** segments of places by window, of the latest pass */
  const segments = new Map<number | null, Tensor1D>()
  const forgetSegments = () => {
    tf.dispose([...segments.values()])
    segments.clear()
  }
  const forget = () => {
    forgetSegments()
    tf.dispose(layers.flatMap(({ k, v }) => [k, v]))
    layers.length = 0
    places = 0
  }
  const freeSlot = () => {
    const free = slots.indexOf(undefined)
    return free < 0 ? slots.length : free
  }
  /** The layer with all slots and places, what it holds included. */
  const sized = (layer: Layer | undefined, width: number): Layer => {
    const shape = [slots.length * places, width] as [number, number]
    if (layer === undefined) {
      return { k: tf.keep(tf.zeros(shape)), v: tf.keep(tf.zeros(shape)), slots: slots.length, places }
    }
    if (layer.slots === slots.length && layer.places === places) return layer
    const [heldSlots, heldPlaces] = [Math.min(layer.slots, slots.length), Math.min(layer.places, places)]
    const moved = (x: Tensor2D) =>
      tf.tidy(() => {
        const held = tf.slice(byRow(x, layer.slots), [0, 0, 0], [heldSlots, heldPlaces, -1])
        const free: Array<[number, number]> = [
          [0, slots.length - heldSlots],
          [0, places - heldPlaces],
          [0, 0]
        ]
        return tf.keep(flat(tf.pad(held, free)))
      })
    const grown = { k: moved(layer.k), v: moved(layer.v), slots: slots.length, places }
    tf.dispose([layer.k, layer.v])
    return grown
  }
  /** int32 [slots·places]: 0 where a place holds a token of the last `window` ones of a chosen slot, else −1 */
  const keySegments = (chosen: ReadonlyArray<number>, window: number | null): Tensor1D => {
    const values = new Int32Array(slots.length * places).fill(-1)
    for (const slot of chosen) {
      const { length } = slots[slot]!
      const first = window === null ? 0 : Math.max(0, length - window)
      values.fill(0, slot * places + first, slot * places + length)
    }
    return tf.tensor1d(values, "int32")
  }
  return {
    join: (longest) => {
      const slot = freeSlot()
      slots[slot] = { longest, length: 0, start: null }
      return slot
    },
    leave: (slot) => {
      slots[slot] = undefined
      while (slots.length > 0 && slots.at(-1) === undefined) slots.pop()
      if (slots.length === 0) forget()
    },
    restart: (slot) => {
      slots[slot]!.length = 0
    },
    copy: (slot, count) => {
      const rows = Array.from({ length: count }, (_, i) => slot * places + i)
      const copied = (x: Tensor2D) => tf.keep(tf.gather(x, ints(rows)))
      return tf.tidy(() => layers.map(({ k, v }) => ({ k: copied(k), v: copied(v) })))
    },
    begin: (slot, from, count) => {
      slots[slot]!.length = count
      slots[slot]!.start = { from, count }
    },
    length: (slot) => slots[slot]!.length,
    placesWith: (longest) => Math.max(slots.length, freeSlot() + 1) * mostPlaces(longest),
    pass: (steps, parts) => {
      forgetSegments()
      const counts = [...[...new Set(steps)].map((slot) => ({ slot, count: 1 })), ...parts]
      for (const { slot, count } of counts) slots[slot]!.length += count
      const needed = slots.reduce((most, slot) => Math.max(most, slot?.length ?? 0), 0)
      const most = mostPlaces()
      places = Math.min(places, most)
      if (needed > places) places = Math.min(most, roundedUp(Math.max(FIRST_PLACES, needed, 2 * places)))
      const rows = counts.flatMap(({ slot, count }) =>
        Array.from({ length: count }, (_, i) => slot * places + slots[slot]!.length - count + i)
      )
      const starts = slots.flatMap((slot, at) => (slot?.start ? [{ ...slot.start, first: at * places }] : []))
      for (const slot of slots) if (slot !== undefined) slot.start = null
      // where the query of a slot is among those of the steps; a row of zeros for a slot without one
      const queryOf = slots.map((_, slot) => steps.indexOf(slot))
      const spread = ints(queryOf.map((query) => (query < 0 ? steps.length : query)))
      const querySegments = ints(queryOf.map((query) => (query < 0 ? -1 : 0)))
      const gathered = ints(steps)
      const put = (into: Tensor2D, fresh: Tensor2D, count: number, rows: ReadonlyArray<number>) =>
        tf.keep(putRows(into, rowsOf(fresh, 0, count), { rows }))
      return (layer, q, k, v, { window, ...heads }) => {
        const held = sized(layers[layer], k.shape[1])
        const appended = (of: "k" | "v", fresh: Tensor2D) => {
          const begun = starts.reduce(
            (into, { from, count, first }) => put(into, from[layer]![of], count, [first]),
            held[of]
          )
          return put(begun, fresh, rows.length, rows)
        }
        const now = { ...held, k: appended("k", k), v: appended("v", v) }
        layers[layer] = now
        const stepped = () => {
          // a layer's other tensors are disposed after it
          const keys = segments.get(window) ?? tf.keep(keySegments(steps, window))
          segments.set(window, keys)
          const zeros = tf.zeros<tf.Rank.R2>([1, q.shape[1]])
          const ofSlots = tf.gather(tf.concat([rowsOf(q, 0, steps.length), zeros], 0), spread)
          const mask = { causal: true, segments: { queries: querySegments, keys } }
          return tf.gather(attention({ q: ofSlots, k: now.k, v: now.v, ...heads, batch: slots.length, mask }), gathered)
        }
        let at = steps.length
        const read = ({ slot, count }: Part) => {
          const own = (x: Tensor2D) => rowsOf(x, slot * places, slots[slot]!.length)
          const [ofPart, mask] = [rowsOf(q, at, count), { causal: true, window }]
          at += count
          return attention({ q: ofPart, k: own(now.k), v: own(now.v), ...heads, batch: 1, mask })
        }
        const all = [...(steps.length > 0 ? [stepped()] : []), ...parts.map(read)]
        return all.length === 1 ? all[0]! : tf.concat(all, 0)
      }
    },
    dispose: forget
  }
}

const ints = (values: ReadonlyArray<number>): Tensor1D => tf.tensor1d([...values], "int32")

/** [n, width] → [count, width]. tfjs's slice on wasm copies the whole of x first, which is all slots here. */
const rowsOf = (x: Tensor2D, first: number, count: number): Tensor2D =>
  x.shape[0] === count ? x : tf.gather(x, ints(Array.from({ length: count }, (_, i) => first + i)))
