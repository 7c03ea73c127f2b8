/** ZIP archives for tests: sound ones, and ones that say of an entry what is not so. */
import { deflateRawSync } from "node:zlib"
import { crc32 } from "../src/images/index.ts"

export interface Zipped {
  readonly name: string
  readonly bytes: Uint8Array | string
  /** stored as it is; default: deflated */
  readonly isStored?: boolean
  /** of Unix; default: a regular file */
  readonly mode?: number
  readonly flags?: number
  readonly method?: number
  /** what the directory says in place of the truth */
  readonly says?: { readonly size?: number; readonly packed?: number; readonly sum?: number; readonly offset?: number }
  /** whether numbers of 64 bits are written behind the name */
  readonly isLarge?: boolean
}

const encoder = new TextEncoder()
const le = (size: number, value: number): Uint8Array => {
  const bytes = new Uint8Array(size)
  for (let i = 0, rest = value; i < size; i++, rest = Math.floor(rest / 256)) bytes[i] = rest % 256
  return bytes
}

/** An archive; `large`: with ZIP64's end as well. */
export const zipOf = (files: ReadonlyArray<Zipped>, large = false): Uint8Array<ArrayBuffer> => {
  const locals: Array<Uint8Array> = []
  const central: Array<Uint8Array> = []
  let at = 0
  for (const {
    name,
    bytes,
    isStored = false,
    mode = 0o100644,
    flags = 1 << 11,
    isLarge = false,
    says = {},
    ...file
  } of files) {
    const own = typeof bytes === "string" ? encoder.encode(bytes) : bytes
    const packed = isStored ? own : deflateRawSync(own)
    const method = le(2, file.method ?? (isStored ? 0 : 8))
    const called = encoder.encode(name)
    const sum = le(4, says.sum ?? crc32(own, 0, own.length))
    const [size, packedSize, offset] = [says.size ?? own.length, says.packed ?? packed.length, says.offset ?? at]
    const common = [le(2, flags), method, le(4, 0x21), sum]
    const local = [
      le(4, 0x04034b50),
      le(2, 20),
      ...common,
      le(4, packed.length),
      le(4, own.length),
      le(2, called.length),
      le(2, 0)
    ]
    const extra = isLarge ? [le(2, 1), le(2, 24), le(8, size), le(8, packedSize), le(8, offset)] : []
    const short = (value: number) => le(4, isLarge ? 0xffff_ffff : value)
    central.push(
      ...[
        le(4, 0x02014b50),
        le(2, (3 << 8) | 20),
        le(2, 20),
        ...common,
        short(packedSize),
        short(size),
        le(2, called.length)
      ],
      ...[le(2, isLarge ? 28 : 0), le(2, 0), le(2, 0), le(2, 0), le(4, mode * 2 ** 16), short(offset), called, ...extra]
    )
    locals.push(...local, called, packed)
    at += 30 + called.length + packed.length
  }
  const size = central.reduce((sum, { length }) => sum + length, 0)
  const count = files.length
  const end64 = [
    le(4, 0x06064b50),
    le(8, 44),
    le(2, 45),
    le(2, 45),
    le(4, 0),
    le(4, 0),
    le(8, count),
    le(8, count),
    le(8, size),
    le(8, at)
  ]
  const place64 = [le(4, 0x07064b50), le(4, 0), le(8, at + size), le(4, 1)]
  const [shortCount, shortPlace] = large ? [0xffff, 0xffff_ffff] : [count, at]
  const end = [
    le(4, 0x06054b50),
    le(4, 0),
    le(2, shortCount),
    le(2, shortCount),
    le(4, size),
    le(4, shortPlace),
    le(2, 0)
  ]
  return new Uint8Array(Buffer.concat([...locals, ...central, ...(large ? [...end64, ...place64] : []), ...end]))
}
