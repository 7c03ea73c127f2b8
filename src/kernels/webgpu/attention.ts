/**
 * Attention on the GPU without a matrix of probabilities: memory grows with the length, not with its square.
 *
 *   forward    m_i = max_j S_ij        Z_i = Σ_j e^(S_ij − m_i)        O_i = Σ_j e^(S_ij − m_i) V_j / Z_i
 *   backward   P_ij = e^(S_ij − m_i)/Z_i once more        D_i = dO_i·O_i = Σ_j P_ij dP_ij        dS = P∘(dP − D)
 *              one program for dQ, over the keys; one for dK and dV, over the queries. No sum has two writers.
 *
 * The forward pass goes over the keys once: what was summed under a smaller maximum is scaled when a larger one comes.
 * Saved are m and 1/Z of each row, not their log-sum-exp: of a sequence of padding alone m is −10⁹, and beside it
 * float32 has no place for log Z.
 *
 * Where S is not finite, by the softmax of the reference: −∞ counts for nothing; a row of −∞ alone, or with NaN or ∞,
 * is NaN.
 *
 * @see arXiv 2205.14135 (FlashAttention), arXiv 2307.08691
 */
import type { TensorInfo } from "@tensorflow/tfjs-core"
import { attentionByBlocks } from "./attention-blocks.ts"
import { attentionByRows } from "./attention-rows.ts"
import { groupsFor, type WebgpuEngine } from "./engine.ts"

/** The programs for q of this shape, and the words and groups of all three. */
const dispatchOf = (engine: WebgpuEngine, q: TensorInfo, batch: number, heads: number) => {
  const [tokens, width] = q.shape as [number, number]
  const [length, d] = [tokens / batch, width / heads]
  const programs = engine.software ? attentionByBlocks : attentionByRows(d)
  const { rows, unit } = programs
  const blocks = groupsFor(length, rows)
  const words = { length, heads, blocks, width: width / unit, d: d / unit, scale: 1 / Math.sqrt(d) }
  return { programs, words, groups: batch * heads * blocks }
}

type Named<Name extends string> = Readonly<Record<Name, TensorInfo>>

/**
 * O [tokens, width], and what the backward pass needs of the rows: [batch, 2·heads + 1, length], for each head m and
 * 1/Z, and last the mask.
 */
export const attentionOnWebgpu = (
  engine: WebgpuEngine,
  { q, k, v, mask }: Named<"q" | "k" | "v" | "mask">,
  batch: number,
  heads: number
): readonly [O: TensorInfo, statistics: TensorInfo] => {
  const { programs, words, groups } = dispatchOf(engine, q, batch, heads)
  const o = engine.output(q.shape)
  const statistics = engine.output([batch, 2 * heads + 1, words.length])
  engine.run(programs.forward, { q, k, v, mask, o, statistics }, words, groups)
  return [o, statistics]
}

/** dq, dk, dv */
export const attentionGradientOnWebgpu = (
  engine: WebgpuEngine,
  { q, k, v, O: o, dO: go, statistics }: Named<"q" | "k" | "v" | "O" | "dO" | "statistics">,
  heads: number
): ReadonlyArray<TensorInfo> => {
  const batch = statistics.shape[0]!
  const { programs, words, groups } = dispatchOf(engine, q, batch, heads)
  // one after the other, as the layers that made q, k and v want them
  const { tensors } = engine.outputs([q.shape, q.shape, q.shape])
  const [dq, dk, dv] = tensors as [TensorInfo, TensorInfo, TensorInfo]
  const along = engine.scratch(batch * heads * words.length)
  const inputs = { q, k, v, go, statistics }
  engine.run(programs.queryGradient, { ...inputs, o, dq, along }, words, groups)
  engine.run(programs.keyGradient, { ...inputs, along, dk, dv }, words, groups)
  engine.release(along)
  return [dq, dk, dv]
}
