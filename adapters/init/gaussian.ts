/** A ~ N(0, 1/r²), B = 0: PEFT's `init_lora_weights="gaussian"`. */
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import { initFacts } from "../../schemas/index.ts"
import { gaussian as normal } from "../../src/numbers/index.ts"
import type { Initializer } from "./initializer.ts"

/** Gaussian A, zero B. */
export const gaussian: Initializer<unknown> = {
  ...initFacts.gaussian,
  init: (_config, { site, rank }, { random }) =>
    Effect.sync(() => ({
      A: tf.tensor2d(
        Float32Array.from({ length: rank * site.in }, () => normal(random) / rank),
        [rank, site.in]
      ),
      B: tf.zeros<tf.Rank.R2>([site.out, rank])
    })),
  compared: null
}
