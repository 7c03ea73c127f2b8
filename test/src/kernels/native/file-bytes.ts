/** Random weights in the types of files. */
import { FILE_TYPES } from "../../../../src/kernels/mapped-matrix.ts"

/** Bytes of a matrix: any, but that halves and floats are of moderate size. */
export const bytesOf = (type: string, size: number, next: () => number): Uint8Array<ArrayBuffer> => {
  const bytes = Uint8Array.from({ length: size }, () => Math.floor(256 * next()))
  const { values, bytes: block } = FILE_TYPES[type]!
  const view = new DataView(bytes.buffer)
  const half = (at: number) => view.setUint16(at, (view.getUint16(at, true) & 0x83ff) | 0x2400, true)
  for (let at = 0; at < size; at += block) {
    if (type === "F32") view.setFloat32(at, 2 * next() - 1, true)
    else if (type === "BF16") view.setUint16(at, (view.getUint16(at, true) & 0x807f) | 0x3e80, true)
    else if (type === "Q6_K") half(at + 208)
    else half(at)
    if (values > 1 && ["Q4_1", "Q4_K", "Q5_K"].includes(type)) half(at + 2)
  }
  return bytes
}
