/** The names of a Llama-like block in transformers' classes, and its linear layers. */
import type { LinearSite } from "../../tensors/index.ts"
import type { GatedConfig } from "./gated-config.ts"

type AttentionSites =
  | { readonly query: LinearSite; readonly key: LinearSite; readonly value: LinearSite }
  | { readonly queryKeyValue: LinearSite }
type MlpSites = { readonly gate: LinearSite; readonly up: LinearSite } | { readonly gateUp: LinearSite }

export interface GatedBlock {
  readonly sites: AttentionSites & MlpSites & { readonly attentionOutput: LinearSite; readonly down: LinearSite }
  /** parameters of the norms; null: the family has none there */
  readonly norms: {
    readonly before: string
    readonly behindAttention: string | null
    readonly between: string
    readonly behind: string | null
    readonly query: string | null
    readonly key: string | null
  }
}

/** The linear layers, in the order of the forward pass. */
export const gatedSites = ({ sites }: Pick<GatedBlock, "sites">): ReadonlyArray<LinearSite> => [
  ...("queryKeyValue" in sites ? [sites.queryKeyValue] : [sites.query, sites.key, sites.value]),
  sites.attentionOutput,
  ...("gateUp" in sites ? [sites.gateUp] : [sites.gate, sites.up]),
  sites.down
]

export const gatedBlock = (config: GatedConfig, layer: number): GatedBlock => {
  const { hiddenSize, intermediateSize, attentionHeads, keyValueHeads, headDim, bias, fused, gemma } = config
  const at = `layers.${layer}`
  const site = (name: string, part: "attention" | "mlp", out: number, inputs: number, biased: boolean): LinearSite => ({
    name: `${at}.${part === "attention" ? "self_attn" : "mlp"}.${name}`,
    kind: "dense",
    part,
    out,
    in: inputs,
    ...(biased ? {} : { bias: false })
  })
  const [wide, narrow] = [attentionHeads * headDim, keyValueHeads * headDim]
  const projection = (name: string, out: number) => site(name, "attention", out, hiddenSize, bias.queryKeyValue)
  const inner = (name: string, out: number) => site(name, "mlp", out, hiddenSize, bias.mlp)
  const norm = (name: string) => `${at}.${name}.weight`
  return {
    sites: {
      ...(fused
        ? { queryKeyValue: projection("qkv_proj", wide + 2 * narrow) }
        : {
            query: projection("q_proj", wide),
            key: projection("k_proj", narrow),
            value: projection("v_proj", narrow)
          }),
      attentionOutput: site("o_proj", "attention", hiddenSize, wide, bias.attentionOutput),
      ...(fused
        ? { gateUp: inner("gate_up_proj", 2 * intermediateSize) }
        : { gate: inner("gate_proj", intermediateSize), up: inner("up_proj", intermediateSize) }),
      down: site("down_proj", "mlp", hiddenSize, intermediateSize, bias.mlp)
    },
    norms: {
      before: norm("input_layernorm"),
      behindAttention: gemma ? norm("post_attention_layernorm") : null,
      between: norm(gemma ? "pre_feedforward_layernorm" : "post_attention_layernorm"),
      behind: gemma ? norm("post_feedforward_layernorm") : null,
      query: config.queryKeyNorm ? norm("self_attn.q_norm") : null,
      key: config.queryKeyNorm ? norm("self_attn.k_norm") : null
    }
  }
}
