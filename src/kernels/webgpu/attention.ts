/**
 * Attention on the GPU without a matrix of probabilities: memory grows with the length, not with its square. Equations as in `../attention.ts`.
 *
 *   forward    m_i = max_j c_ij        Z_i = Σ_j e^(c_ij − m_i)        O_i = Σ_j e^(c_ij − m_i) v_j / Z_i
 *   backward   P_ij = e^(c_ij − m_i)/Z_i once more, in three programs:
 *     rows     D = dO·O of each query, beside what is kept of it: the others read one vector a query, and bind eight buffers
 *     q        dq, over the keys that a query may attend
 *     k v      dk and dv, over the heads that share a key and the queries that may attend it. No sum has two writers.
 *
 * The forward pass goes over the keys once: what was summed under a smaller maximum is scaled when a larger one comes. Texts that share a row
 * are distinguished key by key: keys of other texts cost their scores, save on an emulated GPU, which passes over blocks without any to
 * attend.
 *
 * Where a score is not finite, by the softmax of the reference: −∞ counts for nothing; a row of −∞ alone, or with NaN or ∞, is NaN.
 *
 * @see arXiv 2205.14135 (FlashAttention), arXiv 2307.08691
 */
import type { TensorInfo } from "@tensorflow/tfjs-core"
import { type AttentionShape, sizesOf } from "../attention-shape.ts"
import { read, reads, write } from "../declaration.ts"
import { attentionByBlocks } from "./attention-blocks.ts"
import { attentionOfFew } from "./attention-few.ts"
import { attentionByRows } from "./attention-rows.ts"
import type { ForwardProgram } from "./attention-scores.ts"
import { groupsFor, type WebgpuEngine } from "./engine.ts"
import { program } from "./program.ts"

/** Queries of which each is a workgroup: more of them fill the rows of one. */
const FEW = { software: 4, hardware: 16 }

type Named<Name extends string> = Readonly<Record<Name, TensorInfo>>
type Inputs = Named<"q" | "k" | "v" | "querySegments" | "keySegments"> & { readonly bias?: TensorInfo }

/** Words and groups of a program that has `rows` queries, or keys, a workgroup. */
const dispatchOf = (
  { rows, unit }: Pick<ForwardProgram, "rows" | "unit">,
  inputs: Named<"q" | "k">,
  shape: AttentionShape,
  side: "queries" | "keys"
) => {
  const { batch, heads, keyHeads, scale, softCap, back, ahead } = shape
  const { queries, keys, d } = sizesOf(inputs, shape)
  const blocks = groupsFor(side === "queries" ? queries : keys, rows)
  const words = {
    ...{ queries, keys, keyHeads, group: heads / keyHeads, blocks, d: d / unit },
    ...{ back, ahead, scale, softcap: softCap ?? 0 }
  }
  return [words, batch * (side === "queries" ? heads : keyHeads) * blocks] as const
}

/** Computes O [batch·queries, heads·d], and m and 1/Z of each row of P [batch·heads, queries, 2]. */
export const attentionOnWebgpu = (
  engine: WebgpuEngine,
  inputs: Inputs,
  shape: AttentionShape
): readonly [O: TensorInfo, statistics: TensorInfo] => {
  const { software } = engine
  const { queries, d } = sizesOf(inputs, shape)
  const biased = inputs.bias !== undefined
  const few = queries <= (software ? FEW.software : FEW.hardware)
  const attentionProgram = few
    ? attentionOfFew(d, biased, software)
    : software
      ? attentionByBlocks(biased)
      : attentionByRows(d, biased)
  const o = engine.output(inputs.q.shape)
  const statistics = engine.output([shape.batch * shape.heads, queries, 2])
  engine.run(
    attentionProgram.forward,
    { ...inputs, o, statistics },
    ...dispatchOf(attentionProgram, inputs, shape, "queries")
  )
  return [o, statistics]
}

const ROWS_WORKGROUP = 64

const rowsProgram = program({
  name: "AttentionGradient rows",
  buffers: {
    o: read("f32"),
    go: read("f32"),
    statistics: read("vec2f"),
    ...reads("i32", "querySegments", "keySegments"),
    rows: write("vec4u")
  },
  words: { size: "u32", keys: "u32", queries: "u32", heads: "u32", d: "u32" },
  workgroup: ROWS_WORKGROUP,
  body: `fn kernel(group: u32, local: u32) {
  let i = group * ${ROWS_WORKGROUP}u + local;
  if (i >= words.size + words.keys) { return; }
  if (i >= words.size) {
    rows[i] = vec4u(0u, 0u, 0u, bitcast<u32>(keySegments[i - words.size]));
    return;
  }
  let matrix = i / words.queries;
  let query = matrix / words.heads * words.queries + i % words.queries;
  let at = (query * words.heads + matrix % words.heads) * words.d;
  var D = 0.0;
  for (var column = 0u; column < words.d; column++) { D += go[at + column] * o[at + column]; }
  rows[i] = vec4u(bitcast<vec2u>(statistics[i]), bitcast<u32>(D), bitcast<u32>(querySegments[query]));
}`
})

/** Computes dq, dk and dv. */
export const attentionGradientOnWebgpu = (
  engine: WebgpuEngine,
  { querySegments, O: o, dO: go, kept: statistics, ...inputs }: Inputs & Named<"O" | "dO" | "kept">,
  shape: AttentionShape
): ReadonlyArray<TensorInfo> => {
  const { queries, d } = sizesOf(inputs, shape)
  const { batch, heads } = shape
  const { keySegments, ...others } = inputs
  const [size, keys] = [batch * heads * queries, keySegments.shape[0]!]
  const rows = engine.scratch(4 * (size + keys))
  engine.run(
    rowsProgram,
    { o, go, statistics, querySegments, keySegments, rows },
    { size, keys, queries, heads, d },
    groupsFor(size + keys, ROWS_WORKGROUP)
  )
  const biased = inputs.bias !== undefined
  const attentionPrograms = engine.software ? attentionByBlocks(biased) : attentionByRows(d, biased)
  const [q, k, v] = [inputs.q, inputs.k, inputs.v]
  // one after the other, as the layers that made q, k and v want them
  const { tensors } = engine.outputs([q.shape, k.shape, v.shape])
  const [dq, dk, dv] = tensors as [TensorInfo, TensorInfo, TensorInfo]
  engine.run(
    attentionPrograms.queryGradient,
    { ...inputs, go, rows, dq },
    ...dispatchOf(attentionPrograms, inputs, shape, "queries")
  )
  engine.run(
    attentionPrograms.keyGradient,
    { ...others, go, rows, dk, dv },
    ...dispatchOf(attentionPrograms, inputs, shape, "keys")
  )
  engine.release(rows)
  return [dq, dk, dv]
}
