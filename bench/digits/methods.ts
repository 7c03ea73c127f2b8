/**
 * What the digits are learnt with: an optimizer for a peak rate and a number of steps, and the rates that are tried.
 */
import { scaleByAdam } from "../../src/optimizers/adamw/transform.ts"
import { loraMuon } from "../../src/optimizers/lora-muon/transform.ts"
import { scaleByLoraPre } from "../../src/optimizers/lora-pre/transform.ts"
import { factoredAdam } from "../../src/optimizers/lora-pro/factored-adam.ts"
import { scaleByInvariantAdam } from "../../src/optimizers/lora-pro/invariant-adam.ts"
import { loraPro } from "../../src/optimizers/lora-pro/transform.ts"
import { tangentSigns } from "../../src/optimizers/lora-tsd/transform.ts"
import { linear, scaleByLearningRate } from "../../src/optimizers/schedule.ts"
import { ema } from "../../src/optimizers/sgd/transform.ts"
import { chain, type Transform } from "../../src/optimizers/transform.ts"

interface Method {
  readonly trained: "factors" | "weights"
  readonly direction: () => Transform
  readonly rates: ReadonlyArray<number>
}

const forFactors = [0.005, 0.01, 0.02, 0.04] as const
const forWeights = [0.002, 0.004, 0.008, 0.016] as const

/** Of W itself, in the spectral norm. */
const forSpectra = [0.05, 0.1, 0.2, 0.4] as const

export const methods = {
  lora: { trained: "factors", direction: () => scaleByAdam(), rates: forFactors },
  "lora-pro-efficient": {
    trained: "factors",
    direction: () => chain(loraPro(), scaleByAdam()),
    rates: forFactors
  },
  "lora-pro-invariant": {
    trained: "factors",
    direction: () => chain(loraPro(), scaleByInvariantAdam()),
    rates: forFactors
  },
  "lora-pro-full": { trained: "factors", direction: () => loraPro({ inner: scaleByAdam() }), rates: forWeights },
  "lora-pro-factored": {
    trained: "factors",
    direction: () => loraPro({ inner: factoredAdam() }),
    rates: forWeights
  },
  "lora-pro-lora-pre": {
    trained: "factors",
    direction: () => loraPro({ inner: scaleByLoraPre({ rank: 8 }) }),
    rates: forWeights
  },
  "lora-muon": { trained: "factors", direction: () => chain(ema({ decay: 0.9 }), loraMuon()), rates: forSpectra },
  "lora-tsd": {
    trained: "factors",
    direction: () => chain(ema({ decay: 0.95 }), loraPro({ inner: tangentSigns() })),
    rates: forSpectra
  },
  "full-lora-pre": { trained: "weights", direction: () => scaleByLoraPre({ rank: 8 }), rates: forWeights },
  full: { trained: "weights", direction: () => scaleByAdam(), rates: forWeights }
} as const satisfies Readonly<Record<string, Method>>

export type MethodName = keyof typeof methods

export const isMethod = (name: string): name is MethodName => name in methods

/** Warm-up over the first tenth of the steps, then linear to 0. */
export const optimizerOf = (method: MethodName, rate: number, steps: number): Transform =>
  chain(methods[method].direction(), scaleByLearningRate(linear({ peak: rate, steps, warmup: Math.round(steps / 10) })))
