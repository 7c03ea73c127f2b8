/** WebP by libwebp from `@jsquash/webp`. */
import { Cursor } from "../header/cursor.ts"
import { isCutShort } from "../header/webp.ts"
import { CutShort, Refused } from "../refused.ts"
import { type Codec, opaque } from "./codec.ts"
import { emscriptenInstances } from "./emscripten.ts"
import { compiled } from "./wasm.ts"

const instances = emscriptenInstances(
  () => import("@jsquash/webp/codec/dec/webp_dec.js"),
  () =>
    compiled(
      "@jsquash/webp/codec/dec/webp_dec.wasm",
      () => new URL("@jsquash/webp/codec/dec/webp_dec.wasm", import.meta.url)
    )
)

export const decodeWebp: Codec = async (bytes, header) => {
  if (isCutShort(new Cursor(bytes))) throw new CutShort()
  return instances.with(({ decode }) => {
    try {
      const image = decode(bytes)
      if (image !== null) return opaque(image.data, header)
    } catch (error) {
      if (error instanceof Refused) throw error
    }
    throw new Refused("is damaged: its WebP data cannot be decoded")
  })
}
