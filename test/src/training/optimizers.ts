/** Every kind of optimizer, as plans have them, and with it the adapter it is for. */
import type { OptimizerConfig } from "../../../schemas/index.ts"

const shared = {
  learningRate: 1e-3,
  weightDecay: 0.01,
  clipNorm: 1,
  schedule: { kind: "linear", warmup: 0.1 }
} as const
const moments = { betas: [0.9, 0.999], epsilon: 1e-8 } as const
const loraPro = (form: "full" | "efficient" | "sgd"): Extract<OptimizerConfig, { kind: "lora-pro" }> => ({
  kind: "lora-pro",
  form,
  x: "sylvester",
  damping: 1e-8,
  ...shared,
  ...moments
})

export const sgd: OptimizerConfig = { kind: "sgd", momentum: 0.9, ...shared }
export const adamw: OptimizerConfig = { kind: "adamw", ...shared, ...moments }
export const loraPlus: OptimizerConfig = { kind: "lora-plus", ratio: 16, ...shared, ...moments }
export const riemannian: OptimizerConfig = { kind: "riemannian", damping: 1e-6, ...shared, ...moments }
const altLora = { damping: 1e-5, ...shared, ...moments }
export const altLoraPaper: OptimizerConfig = { kind: "altlora", variant: "paper", ...altLora }
export const altLoraPlusCode: OptimizerConfig = { kind: "altlora-plus", variant: "code", ...altLora }
const refLora = { kind: "reflora", damping: 1e-8, warmupSteps: 1, ...shared, ...moments } as const
export const refLoraFull: OptimizerConfig = { form: "full", ...refLora }
export const refLoraScalar: OptimizerConfig = { form: "scalar", ...refLora }
export const loraProFull = loraPro("full")
export const loraProEfficient = loraPro("efficient")
export const loraProInvariant: OptimizerConfig = { ...loraPro("efficient"), moments: "invariant" }
export const loraProSgd = loraPro("sgd")

export const loraMuon: OptimizerConfig = { kind: "lora-muon", momentum: 0.9, damping: 1e-8, ...shared, ...moments }
export const loraTsd: OptimizerConfig = {
  kind: "lora-tsd",
  tau: 3,
  momentum: 0.9,
  x: "sylvester",
  damping: 1e-8,
  ...shared,
  ...moments
}

export const combinations = [
  ["lora", "sgd", sgd],
  ["lora", "adamw", adamw],
  ["lora", "lora-pro full", loraProFull],
  ["lora", "lora-pro efficient", loraProEfficient],
  ["lora", "lora-pro efficient, invariant moments", loraProInvariant],
  ["lora", "lora-pro sgd", loraProSgd],
  ["lora", "lora-plus", loraPlus],
  ["lora", "riemannian", riemannian],
  ["lora", "altlora", altLoraPaper],
  ["lora", "altlora-plus, the authors' code", altLoraPlusCode],
  ["lora", "lora-muon", loraMuon],
  ["lora", "reflora", refLoraFull],
  ["lora", "reflora scalar", refLoraScalar],
  ["lora", "lora-tsd", loraTsd],
  ["dora", "adamw", adamw],
  ["dora", "lora-plus", loraPlus],
  ["full", "adamw", adamw],
  ["full", "sgd", sgd],
  ["none", "adamw", adamw]
] as const satisfies ReadonlyArray<readonly [string, string, OptimizerConfig]>
