/** A ~ N(0, 1/r²), B = 0: PEFT's `init_lora_weights="gaussian"`. */
import { gaussian as normal } from "../../src/tensors/random.ts"

export const gaussian = (length: number, rank: number, random: () => number): Float32Array =>
  Float32Array.from({ length }, () => normal(random) / rank)
