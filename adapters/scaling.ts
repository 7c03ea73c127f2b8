/**
 * The scale s of ΔW = s·BA.
 *
 *   standard          s = α / r     Hu et al. 2021, arXiv 2106.09685
 *   rank-stabilized   s = α / √r    Kalajdzievski 2023, arXiv 2312.03732 (rsLoRA)
 *
 * One function, so that training, merging and export cannot disagree about it.
 */
import type { LoraConfig } from "../schemas/index.ts"

export const scaleOf = (scaling: LoraConfig["scaling"], rank: number, alpha: number): number =>
  scaling === "rank-stabilized" ? alpha / Math.sqrt(rank) : alpha / rank
