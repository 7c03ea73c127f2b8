/**
 * JPEG by MozJPEG from `@jsquash/jpeg`: libjpeg-turbo's decoder with the slow, exact inverse cosine transform and smooth
 * upsampling, as in Pillow.
 */
import { cut, printableLine } from "../../boundary/index.ts"
import { Cursor } from "../header/cursor.ts"
import { checkScans } from "../header/jpeg.ts"
import { Refused } from "../refused.ts"
import { type Codec, opaque } from "./codec.ts"
import { emscriptenInstances } from "./emscripten.ts"
import { compiled } from "./wasm.ts"

const instances = emscriptenInstances(
  () => import("@jsquash/jpeg/codec/dec/mozjpeg_dec.js"),
  () =>
    compiled(
      "@jsquash/jpeg/codec/dec/mozjpeg_dec.wasm",
      () => new URL("@jsquash/jpeg/codec/dec/mozjpeg_dec.wasm", import.meta.url)
    )
)

export const decodeJpeg: Codec = async (bytes, header) => {
  checkScans(new Cursor(bytes))
  return instances.with(({ decode, remarks }) => {
    remarks()
    try {
      // the caller applies the orientation
      const image = decode(bytes, false)
      if (image !== null) return opaque(image.data, header)
    } catch (error) {
      if (error instanceof Refused) throw error
    }
    const why = cut(printableLine(remarks()))
    throw new Refused(`is damaged: its JPEG data cannot be decoded${why === "" ? "" : ` (${why})`}`)
  })
}
