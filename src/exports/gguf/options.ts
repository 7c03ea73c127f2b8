/** What the format `gguf` leaves to the user. */
import type { FormatOptions } from "../format.ts"

export const ggufOptions = {
  type: {
    summary:
      "files to write: the merged model in f32, f16, q8_0, q4_0 or q4_k (llama.cpp's Q4_K_M), or the adapter alone, for the base's own file",
    values: ["q8_0", "f16", "q4_k", "q4_0", "f32", "adapter"],
    usual: ["q8_0"],
    several: true
  }
} as const satisfies FormatOptions
