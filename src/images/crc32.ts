/** CRC-32 of ISO 3309, as used by chunks of PNG files and by files in ZIP archives. */

const sums = Uint32Array.from({ length: 256 }, (_, byte) => {
  let sum = byte
  for (let bit = 0; bit < 8; bit++) sum = sum & 1 ? 0xedb88320 ^ (sum >>> 1) : sum >>> 1
  return sum
})

/** Returns the CRC-32 of the bytes from `from` (inclusive) to `to` (exclusive). `before`: the checksum of the preceding bytes. */
export const crc32 = (bytes: Uint8Array, from: number, to: number, before = 0): number => {
  let sum = ~before
  for (let at = from; at < to; at++) sum = sums[(sum ^ bytes[at]!) & 0xff]! ^ (sum >>> 8)
  return ~sum >>> 0
}
