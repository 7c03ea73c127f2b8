/**
 * The head only: y = xWᵀ + bias unchanged. Selects no layer; the trained parameters (the head, `modulesToSave`) are not the
 * method's.
 */
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import { methodFacts, NoneConfig } from "../schemas/index.ts"
import { dequantized, frozenLinear } from "../src/kernels/index.ts"
import type { AdapterMethod } from "./adapter.ts"

/** No adapter: trains the head only. */
export const none: AdapterMethod<Record<never, never>, typeof NoneConfig.Encoded> = {
  ...methodFacts.none,
  section: NoneConfig,
  size: () => ({ factors: 0, dense: 0, frozen: 0, state: 0 }),
  keepsOutputs: false,
  columns: () => ({}),
  shared: null,
  calibration: null,
  initRanks: null,
  init: () => Effect.succeed({ pairs: [], dense: [] }),
  dropout: null,
  forward: (_site, x, { W, bias }) => frozenLinear(x, W, bias),
  merge: (_site, { W }) => tf.tidy(() => tf.clone(dequantized(W))),
  trainsBias: false,
  penalty: null,
  allocation: null,
  sum: { by: "values" },
  peft: { layout: null, because: "PEFT has no adapter without adapted layers" },
  compared: {
    // its rate is the head's: there is nothing else to move
    none: {
      label: methodFacts.none.label,
      ranked: false,
      learningRates: [],
      section: ({ selection: { modulesToSave } }) => ({ method: "none", modulesToSave })
    }
  }
}
