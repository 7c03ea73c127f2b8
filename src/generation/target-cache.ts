/**
 * Decoder cache of sequence-to-sequence models, per layer, on the device: keys and values of all target tokens so far, and of
 * the sources, which are computed once. Several texts may share a source: to its keys they are several queries, so that these
 * are stored once, and texts are reordered only among those of their source.
 *
 * Keys and values of texts are held in buffers with free slots at the end, masked by a large negative bias. If `multiple`
 * is larger than 1, buffers are rounded up to it, because GPUs pool memory by size.
 *
 * Shapes: k, v of texts [texts·places, heads·d]; of sources [sources·length, heads·d]; mask [sources, length].
 */
import type { Tensor2D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { attention, putRows } from "../kernels/index.ts"
import type { AttendSoFar } from "../models/seq2seq/index.ts"
import { byRow, chosenRows, flat } from "./cache.ts"

/** Keys and values of sources and of the targets generated so far. */
export interface TargetCache {
  /** Returns the attention of one forward pass over one more token of each text. Tensor code: call it in the `tf.tidy` around the pass. */
  readonly pass: () => AttendSoFar
  /** Keeps the texts that continue, by index among the current texts, and their sources, in the same order. */
  readonly choose: (texts: ReadonlyArray<number>, sources: ReadonlyArray<number>) => void
  readonly dispose: () => void
}

/** Free places of a buffer that was made or copied, at most; fewer where it holds fewer tokens. */
const ROOM = 32
const UNSEEN = -1e9

/** of one layer */
interface CachedTexts {
  readonly k: Tensor2D
  readonly v: Tensor2D
}

/** Creates an empty cache for `sources` sources. The caller disposes it. */
export const targetCache = ({
  heads,
  sources: sourceCount,
  multiple = 1
}: {
  readonly heads: number
  readonly sources: number
  readonly multiple?: number
}): TargetCache => {
  const ofTexts: Array<CachedTexts> = []
  const ofSources: Array<CachedTexts> = []
  let sources = sourceCount
  let texts = 0
  let length = 0
  const appended = (before: CachedTexts | undefined, k: Tensor2D, v: Tensor2D): CachedTexts => {
    const width = k.shape[1]
    const places = before === undefined ? 0 : before.k.shape[0] / texts
    const at = length - 1
    if (before !== undefined && at < places) {
      const putFresh = (into: Tensor2D, fresh: Tensor2D) => tf.keep(putRows(into, fresh, { batch: texts, at }))
      return { k: putFresh(before.k, k), v: putFresh(before.v, v) }
    }
    const more = Math.ceil((length + Math.min(ROOM, length)) / multiple) * multiple
    const free = tf.zeros<tf.Rank.R3>([texts, more - length, width])
    const moved = (old: Tensor2D | undefined, fresh: Tensor2D) =>
      tf.keep(flat(tf.concat([...(old === undefined ? [] : [byRow(old, texts)]), byRow(fresh, texts), free], 1)))
    const grown = { k: moved(before?.k, k), v: moved(before?.v, v) }
    if (before !== undefined) tf.dispose([before.k, before.v])
    return grown
  }
  return {
    pass: () => {
      const before = length
      length++
      return {
        before,
        sourcesRead: ofSources.length > 0,
        self: (layer, q, k, v, bias) => {
          texts = q.shape[0]
          const layerCache = appended(ofTexts[layer], k, v)
          ofTexts[layer] = layerCache
          const free = layerCache.k.shape[0] / texts - length
          const sides = [
            [0, 0],
            [0, 0],
            [0, free]
          ] satisfies Array<[number, number]>
          const paddedBias = free === 0 ? bias : tf.pad(bias, sides, UNSEEN)
          return attention({ q, k: layerCache.k, v: layerCache.v, batch: texts, heads, scale: 1, bias: paddedBias })
        },
        cross: (layer, q, keyValues, segments) => {
          if (keyValues !== null) {
            const [k, v] = keyValues
            ofSources[layer] = { k: tf.keep(k), v: tf.keep(v) }
          }
          const { k, v } = ofSources[layer]!
          return attention({ q, k, v, batch: sources, heads, scale: 1, mask: { segments } })
        }
      }
    },
    choose: (goOn, remaining) => {
      const take = (layers: Array<CachedTexts>, rows: number, chosen: ReadonlyArray<number>) => {
        if (chosen.length === rows && chosen.every((row, i) => row === i)) return
        tf.tidy(() =>
          layers.forEach((layer, i) => {
            const of = (x: Tensor2D) => tf.keep(chosenRows(x, rows, chosen))
            layers[i] = { k: of(layer.k), v: of(layer.v) }
            tf.dispose([layer.k, layer.v])
          })
        )
      }
      take(ofTexts, texts, goOn)
      take(ofSources, sources, remaining)
      sources = remaining.length
    },
    dispose: () => tf.dispose([...ofTexts, ...ofSources].flatMap(({ k, v }) => [k, v]))
  }
}
