/**
 * Causal attention on the GPU; equations as in `../causal-attention.ts`. As attention there (`attention.ts`), no matrix of
 * probabilities is kept: one pass over the keys forward, and P again in the backward pass from two numbers of each row.
 *
 * Backward, three programs:
 *
 *   rows     D = dO·O of each query, beside what is kept of it: the others read one vector a query, and bind eight buffers
 *   q        dq, over the keys that a query may attend
 *   k v      dk and dv, over the heads that share a key and the queries that may attend it. No sum has two writers.
 *
 * Texts that share a row are distinguished key by key: keys of other texts cost their scores, save on an emulated GPU, which
 * passes over blocks without any to attend.
 */
import type { TensorInfo } from "@tensorflow/tfjs-core"
import type { CausalShape } from "../causal-shape.ts"
import { read, write } from "../declaration.ts"
import { causalByBlocks } from "./causal-attention-blocks.ts"
import { causalOfFew } from "./causal-attention-few.ts"
import { causalByRows } from "./causal-attention-rows.ts"
import type { ForwardProgram } from "./causal-scores.ts"
import { groupsFor, type WebgpuEngine } from "./engine.ts"
import { program } from "./program.ts"

/** Further than any key. */
const NO_WINDOW = 1 << 29
/** Queries of which each is a workgroup: more of them fill the rows of one. */
const FEW = { software: 4, hardware: 16 }

type Named<Name extends string> = Readonly<Record<Name, TensorInfo>>
type Inputs = Named<"q" | "k" | "v" | "querySegments" | "keySegments">

const sizesOf = ({ q, k }: Named<"q" | "k">, { batch, heads }: CausalShape) => ({
  queries: q.shape[0]! / batch,
  keys: k.shape[0]! / batch,
  d: q.shape[1]! / heads
})

/** Words and groups of a program that has `rows` queries, or keys, a workgroup. */
const dispatchOf = (
  { rows, unit }: Pick<ForwardProgram, "rows" | "unit">,
  inputs: Named<"q" | "k">,
  shape: CausalShape,
  side: "queries" | "keys"
) => {
  const { batch, heads, keyValueHeads, scale, window, softcap } = shape
  const { queries, keys, d } = sizesOf(inputs, shape)
  const blocks = groupsFor(side === "queries" ? queries : keys, rows)
  const words = {
    ...{ queries, keys, keyValueHeads, group: heads / keyValueHeads, blocks, d: d / unit },
    ...{ window: Math.min(window ?? NO_WINDOW, NO_WINDOW), scale, softcap: softcap ?? 0 }
  }
  return [words, batch * (side === "queries" ? heads : keyValueHeads) * blocks] as const
}

/** O [batch·queries, heads·d], and m and 1/Z of each row of P [batch·heads, queries, 2]. */
export const causalAttentionOnWebgpu = (
  engine: WebgpuEngine,
  { q, k, v, querySegments, keySegments }: Inputs,
  shape: CausalShape
): readonly [O: TensorInfo, statistics: TensorInfo] => {
  const { software } = engine
  const { queries, d } = sizesOf({ q, k }, shape)
  const few = queries <= (software ? FEW.software : FEW.hardware)
  const own = few ? causalOfFew(d, software) : software ? causalByBlocks : causalByRows(d)
  const o = engine.output(q.shape)
  const statistics = engine.output([shape.batch * shape.heads, queries, 2])
  const buffers = { q, k, v, querySegments, keySegments, o, statistics }
  engine.run(own.forward, buffers, ...dispatchOf(own, { q, k }, shape, "queries"))
  return [o, statistics]
}

const ROWS_WORKGROUP = 64

const rowsProgram = program({
  name: "CausalAttentionGradient rows",
  buffers: {
    o: read("f32"),
    go: read("f32"),
    statistics: read("vec2f"),
    querySegments: read("i32"),
    rows: write("vec4u")
  },
  words: { size: "u32", queries: "u32", heads: "u32", d: "u32" },
  workgroup: ROWS_WORKGROUP,
  body: `fn kernel(group: u32, local: u32) {
  let i = group * ${ROWS_WORKGROUP}u + local;
  if (i >= words.size) { return; }
  let matrix = i / words.queries;
  let query = matrix / words.heads * words.queries + i % words.queries;
  let at = (query * words.heads + matrix % words.heads) * words.d;
  var D = 0.0;
  for (var column = 0u; column < words.d; column++) { D += go[at + column] * o[at + column]; }
  rows[i] = vec4u(bitcast<vec2u>(statistics[i]), bitcast<u32>(D), bitcast<u32>(querySegments[query]));
}`
})

/** dq, dk, dv */
export const causalAttentionGradientOnWebgpu = (
  engine: WebgpuEngine,
  { q, k, v, querySegments, keySegments, O: o, dO: go, statistics }: Inputs & Named<"O" | "dO" | "statistics">,
  shape: CausalShape
): ReadonlyArray<TensorInfo> => {
  const { queries, d } = sizesOf({ q, k }, shape)
  const { heads } = shape
  const size = shape.batch * heads * queries
  const rows = engine.scratch(4 * size)
  engine.run(
    rowsProgram,
    { o, go, statistics, querySegments, rows },
    { size, queries, heads, d },
    groupsFor(size, ROWS_WORKGROUP)
  )
  const own = engine.software ? causalByBlocks : causalByRows(d)
  const [dq, dk, dv] = [engine.output(q.shape), engine.output(k.shape), engine.output(v.shape)]
  const inputs = { q, k, v, go, rows, keySegments }
  engine.run(own.queryGradient, { ...inputs, dq }, ...dispatchOf(own, { q, k }, shape, "queries"))
  engine.run(own.keyGradient, { ...inputs, dk, dv }, ...dispatchOf(own, { q, k }, shape, "keys"))
  engine.release(rows)
  return [dq, dk, dv]
}
