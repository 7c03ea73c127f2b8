/**
 * Compatibility of a causal model's adapter with llama.cpp's convert_lora_to_gguf.py.
 *
 * The script reads only `lora_alpha` of adapter_config.json, and llama.cpp computes ΔW = scale · (lora_alpha / rank of the tensor) · BA with the
 * scale of the command line: `use_rslora` and `alpha_pattern` are silently ignored, `rank_pattern` is not needed. One scale for all sites can
 * compensate for this; if sites need several scales, or if the file contains more than A and B, the model has to be merged first.
 */
import { methodOf, type SelectedSite, selectionOf } from "../../../adapters/index.ts"
import type { AdapterConfig } from "../../../schemas/index.ts"
import type { CausalDescription } from "../../models/causal/index.ts"

/** Scale for the command line (1: not needed), or the reason why the adapter cannot be used. */
type InLlamaCpp = { readonly scale: number } | { readonly reason: string }

/** An adapter of a causal model, as a plan describes it. */
interface PlannedAdapter {
  readonly model: Pick<CausalDescription, "fanInFanOut">
  readonly config: AdapterConfig
  readonly sites: ReadonlyArray<SelectedSite<object>>
  /** parameters trained as a whole */
  readonly parameters: ReadonlyArray<string>
}

/** Returns whether llama.cpp can use such an adapter and, if not, the reason. */
export const inLlamaCpp = ({ model, config, sites, parameters }: PlannedAdapter): InLlamaCpp => {
  const { factorsAlone = null } = methodOf(config).peft.layout ?? {}
  if (factorsAlone === null)
    return { reason: "it reads only factors A and B, and this run also trained other parameters" }
  if (parameters.length > 0) {
    return { reason: "it reads only factors A and B, and silently ignores saved norms" }
  }
  if (model.fanInFanOut)
    return {
      reason: "it transposes the factors of this family's layers along with their weights, which makes them wrong"
    }
  const { alpha } = factorsAlone(selectionOf(config).options)
  const scales = sites.map(({ options }) => {
    const sizes = factorsAlone(options)
    return (sizes.alpha / alpha) * (sizes.rankStabilized ? Math.sqrt(sizes.rank) : 1)
  })
  const [scale] = scales
  return scale !== undefined && scales.every((otherScale) => otherScale === scale)
    ? { scale }
    : {
        reason: "it reads one alpha for all layers, but here they differ; it would silently compute something else"
      }
}
