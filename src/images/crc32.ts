/** CRC-32 of ISO 3309, which each chunk of a PNG file ends with, and each file in a ZIP file has. */

const sums = Uint32Array.from({ length: 256 }, (_, byte) => {
  let sum = byte
  for (let bit = 0; bit < 8; bit++) sum = sum & 1 ? 0xedb88320 ^ (sum >>> 1) : sum >>> 1
  return sum
})

/** Of the bytes from `from` until before `to`; `before`: the sum of those that come before them. */
export const crc32 = (bytes: Uint8Array, from: number, to: number, before = 0): number => {
  let sum = ~before
  for (let at = from; at < to; at++) sum = sums[(sum ^ bytes[at]!) & 0xff]! ^ (sum >>> 8)
  return ~sum >>> 0
}
