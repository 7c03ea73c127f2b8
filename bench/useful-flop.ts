/**
 * The floating-point operations that a training step cannot do without, whatever computes it: a multiplication and an addition are
 * two. Divided by a step's time and by the rate of the backend's own products, this is the step's share of what the machine gives.
 *
 * With T tokens of rows of L, a linear layer of p = in·out numbers, rank r, and attention of width d (all heads together):
 *
 *   y = xWᵀ            2Tp          each linear layer
 *   dx = dy·W          2Tp          where something that is trained lies before it: not q, k, v of the first adapted block
 *   dW = dyᵀx          2Tp          only where W itself is trained
 *   attention          4TLd         QKᵀ, PV                            each block
 *                      8TLd         dV, dP, dQ, dK                     where something trained lies before it
 *   factors            2Tr(in+out)  (xAᵀ)Bᵀ                            each adapted layer
 *                      2Tr(in+2out) dh = dy·B, dA = dhᵀx, dB = dyᵀh
 *                      2Tr·in       dh·A, a part of dx
 *
 * Left out: everything that is not a product (LayerNorm, GELU, softmax), the optimizer's own arithmetic, and what
 * `recompute: "blocks"` computes a second time. All three cost time, and lower the share.
 */
import type { LinearSite } from "../src/tensors/trainable.ts"

export interface FlopOptions {
  readonly batch: number
  readonly length: number
  /** absent: the sites' own weights are trained */
  readonly rank?: number
}

/** q, k, v; the output of attention; up; down: a layer sees what those before it trained. */
const STAGES = [0, 0, 0, 1, 2, 3]

/** `sites`: a model's linear layers in the order of the forward pass, six a block; `adapted`: names of the trained ones. */
export const usefulFlop = (
  sites: ReadonlyArray<LinearSite>,
  adapted: ReadonlySet<string>,
  { batch, length, rank }: FlopOptions
): number => {
  const tokens = batch * length
  const place = (i: number) => 4 * Math.floor(i / 6) + STAGES[i % 6]!
  const first = place(sites.findIndex(({ name }) => adapted.has(name)))
  return sites.reduce((sum, site, i) => {
    const needsDx = place(i) > first
    const product = 2 * tokens * site.in * site.out
    const own = adapted.has(site.name) ? trained(site, tokens, needsDx, rank) : 0
    // counted with the layer behind it, which sees its d columns
    const attention = STAGES[i % 6] === 1 ? (needsDx ? 12 : 4) * tokens * length * site.in : 0
    return sum + (needsDx ? 2 : 1) * product + own + attention
  }, 0)
}

/** What training a layer adds to x·Wᵀ and dy·W. */
const trained = (site: LinearSite, tokens: number, needsDx: boolean, rank: number | undefined): number => {
  if (rank === undefined) return 2 * tokens * site.in * site.out
  return 2 * tokens * rank * (2 * site.in + 3 * site.out + (needsDx ? site.in : 0))
}
