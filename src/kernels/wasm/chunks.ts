/**
 * How work on many like items is cut into chunks: a function of the work alone, since neither the number of threads nor who takes
 * which chunk may change a result.
 */

/** Multiplications below which a second thread costs more than it saves. */
const WORTH_SHARING = 1 << 16

/** Enough that two to eight threads are evenly busy. */
const CHUNKS = 16

/** [items of a chunk, chunks]. `cost`: of an item, in multiplications; `unit`: what a chunk's items are a multiple of. */
export const chunksOf = (items: number, cost: number, unit = 1): readonly [perChunk: number, chunks: number] => {
  if (items * cost < WORTH_SHARING) return [items, 1]
  const perChunk = Math.ceil(items / CHUNKS / unit) * unit
  return [perChunk, Math.ceil(items / perChunk)]
}
