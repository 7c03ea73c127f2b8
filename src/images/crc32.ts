/** CRC-32 of ISO 3309, which each chunk of a PNG file ends with. */

const sums = Uint32Array.from({ length: 256 }, (_, byte) => {
  let sum = byte
  for (let bit = 0; bit < 8; bit++) sum = sum & 1 ? 0xedb88320 ^ (sum >>> 1) : sum >>> 1
  return sum
})

/** Of the bytes from `from` until before `to`. */
export const crc32 = (bytes: Uint8Array, from: number, to: number): number => {
  let sum = -1
  for (let at = from; at < to; at++) sum = sums[(sum ^ bytes[at]!) & 0xff]! ^ (sum >>> 8)
  return ~sum >>> 0
}
