/**
 * Causal attention, forward: a block of queries of one head at a time. Their scores against all keys that one of them attends stay in
 * the second cache; each panel of keys and of values passes the block once. Few queries, as a model that writes has them, read keys and
 * values as they lie: packing would cost more than the products.
 */
import { floats } from "./arguments"
import { CausalAttention } from "./declared"
import { addBlock, scoreBlock } from "./causal-blocks"
import {
  d, exponentials, findKeys, first, from, group, keepStatistics, keyOffset, keyStride, keys, last, open,
  place, queries, queryOffset, queryStride, statisticsOf, to, window
} from "./causal"
import { fewQueries } from "./causal-few"
import { packRows, packWide, padded } from "./panels"
import { scale as scaled } from "./thin"

/** Queries of a block. */
const ROWS: i32 = 24
/** Fewer queries than this are not worth packing for. */
const FEW: i32 = 4

/**
 * Needs a scratch of keys + 16 floats, the panels of keys and values, (keys + 12)·d and keys·padded(d), and for each of 24 queries a row
 * of keys + 12 floats and one of padded(d).
 */
export function causalAttention(args: CausalAttention, chunk: i32, scratch: usize): void {
  const keyPanels = open(args, chunk, scratch)
  if (queries < FEW) {
    fewQueries(args, keyPanels)
    return
  }
  const end = max(0, min(keys, place(last - 1) + 1))
  const valuePanels = keyPanels + floats((keys + 12) * d)
  const scores = valuePanels + floats(keys * padded(d))
  packWide(args.k + keyOffset, keyStride, d, end, keyPanels)
  packRows(args.v + keyOffset, keyStride, end, d, valuePanels)
  for (let g = 0; g < group; g++)
    for (let i = first; i < last; i += ROWS) block(args, g, i, min(ROWS, last - i), end, keyPanels, valuePanels, scores)
}

function block(
  args: CausalAttention,
  g: i32,
  i: i32,
  rows: i32,
  end: i32,
  keyPanels: usize,
  valuePanels: usize,
  scores: usize
): void {
  const scoreBytes = floats(keys + 12)
  const headBytes = floats(padded(d))
  const out = scores + scoreBytes * ROWS
  const at = queryOffset(g, i)
  findKeys(i, rows, 0, end)
  const p0 = from / 12
  const p1 = from < to ? (to + 11) / 12 : p0
  const reach = place(i)
  scoreBlock(args.q + at, queryStride, rows, keyPanels, d, p0, p1, scores, scoreBytes, reach, window)
  memory.fill(out, 0, headBytes * <usize>rows)
  // the shares are needed once the sums are there: the statistics hold them
  for (let r = 0; r < rows; r++) {
    exponentials(scores + scoreBytes * <usize>r, i + r, p0 * 12, p1 * 12)
    keepStatistics(args, g, i + r)
  }
  addBlock(
    scores,
    scoreBytes,
    4,
    rows,
    valuePanels,
    end,
    d,
    out,
    headBytes,
    p0 * 12,
    min(end, p1 * 12),
    reach - window + 1,
    reach
  )
  for (let r = 0; r < rows; r++) {
    const own = load<f32>(statisticsOf(args, g, i + r) + 4)
    scaled(out + headBytes * <usize>r, own, args.o + at + queryStride * <usize>r, d)
  }
}
