/**
 * Keys and values of texts that join and leave at any token. Each text has a slot, the same in every layer, and begins in the slot's first
 * place: nothing that it attends to depends on the other texts, not even the places that its sums begin at.
 *
 *   step          one token of each of some texts: queries are spread over the slots, and slots without one have segment −1
 *   part          several tokens of one text, which read a copy of its slot without free places
 *
 * All slots have equally many places. They grow by doubling up to the longest text that may be written, and shrink to it when it leaves. A
 * sliding window is a mask here; its earlier tokens keep their places.
 *
 * Shapes: k, v [rows·queries, keyValueHeads·d]; K, V [slots·places, keyValueHeads·d].
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
  /** Number of tokens of a text so far. */
  readonly length: (slot: number) => number
  /** Places of all slots, as many as there are if one more text of at most `longest` tokens joins. */
  readonly placesWith: (longest: number) => number
  /**
   * Returns the attention of a forward pass over `queries` more tokens of each of these slots; several tokens: of one slot. A slot may be
   * listed again at the end, with the same token. Tensor code: call it in the `tf.tidy` around the pass, and the result once per layer.
   */
  readonly pass: (slots: ReadonlyArray<number>, queries: number) => Attend
  /** Disposes all tensors. The cache must not be used afterwards. */
  readonly dispose: () => void
}

/** of one layer */
interface Layer {
  readonly k: Tensor2D
  readonly v: Tensor2D
  readonly slots: number
  readonly places: number
}

/** of a text */
interface Slot {
  readonly longest: number
  length: number
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
    const free = slots.findIndex((slot) => slot === undefined)
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
        const free: Array<[number, number]> = [[0, slots.length - heldSlots], [0, places - heldPlaces], [0, 0]]
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
      slots[slot] = { longest, length: 0 }
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
    length: (slot) => slots[slot]!.length,
    placesWith: (longest) => Math.max(slots.length, freeSlot() + 1) * mostPlaces(longest),
    pass: (chosen, queries) => {
      forgetSegments()
      const distinct = [...new Set(chosen)]
      for (const slot of distinct) slots[slot]!.length += queries
      const needed = slots.reduce((most, slot) => Math.max(most, slot?.length ?? 0), 0)
      const most = mostPlaces()
      places = Math.min(places, most)
      if (needed > places) places = Math.min(most, roundedUp(Math.max(FIRST_PLACES, needed, 2 * places)))
      const firstRows = distinct.map((slot) => slot * places + slots[slot]!.length - queries)
      // where the query of a slot is among those of the pass; a row of zeros for a slot without one
      const spread = tf.tensor1d(
        slots.map((_, slot) => (chosen.includes(slot) ? chosen.indexOf(slot) : chosen.length)),
        "int32"
      )
      const gathered = tf.tensor1d([...chosen], "int32")
      const querySegments = tf.tensor1d(
        slots.map((_, slot) => (chosen.includes(slot) ? 0 : -1)),
        "int32"
      )
      return (layer, q, k, v, { window, ...heads }) => {
        const held = sized(layers[layer], k.shape[1])
        const put = (into: Tensor2D, fresh: Tensor2D) =>
          tf.keep(putRows(into, firstOf(fresh, distinct.length * queries), { rows: firstRows }))
        const now = { ...held, k: put(held.k, k), v: put(held.v, v) }
        layers[layer] = now
        if (queries > 1) {
          const [slot] = chosen
          const { length } = slots[slot!]!
          const ownPlaces = (x: Tensor2D) => tf.slice(x, [slot! * places, 0], [length, -1])
          return attention({ q, k: ownPlaces(now.k), v: ownPlaces(now.v), ...heads, mask: { causal: true, window } })
        }
        // a layer's other tensors are disposed after it
        const keys = segments.get(window) ?? tf.keep(keySegments(chosen, window))
        segments.set(window, keys)
        const ofSlots = tf.gather(tf.concat([q, tf.zeros<tf.Rank.R2>([1, q.shape[1]])], 0), spread)
        const mask = { causal: true, segments: { queries: querySegments, keys } }
        return tf.gather(attention({ q: ofSlots, k: now.k, v: now.v, ...heads, batch: slots.length, mask }), gathered)
      }
    },
    dispose: forget
  }
}

/** [n, width] → its first rows */
const firstOf = (x: Tensor2D, rows: number): Tensor2D => (x.shape[0] === rows ? x : tf.slice(x, [0, 0], [rows, -1]))
