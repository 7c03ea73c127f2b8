/** How products are cut into chunks for the native library: for 512-bit vectors; machine code is four times as fast as wasm. */
import { cutsOf } from "../wasm/product-cuts.ts"

/** Division of matrix products on the native library. */
export const NATIVE_CUTS = cutsOf({ panel: 32, tile: 12, worthSharing: 1 << 18 })
