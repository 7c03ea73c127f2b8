/**
 * PNG by the Rust crate `png` from `@jsquash/png`. Its binary is called without its JavaScript, which keeps a single instance:
 * after a broken file, the file's memory and part of its stack remain allocated in it.
 */
import { printableLine } from "../../boundary/index.ts"
import { crc32 } from "../crc32.ts"
import { Cursor } from "../header/cursor.ts"
import { pngChunks } from "../header/png.ts"
import type { Pixels } from "../image.ts"
import { CutShort, Refused } from "../refused.ts"
import { type Codec, type Instance, Instances, lazily, opaque } from "./codec.ts"
import { compiled } from "./wasm.ts"

interface Exports {
  readonly memory: WebAssembly.Memory
  readonly decode: (address: number, bytes: number) => number
  readonly __wbindgen_malloc: (bytes: number, alignment: number) => number
  readonly __wbindgen_free: (address: number, bytes: number, alignment: number) => void
}

/** Receives the binary's output: RGBA at an address of its memory. */
type Receive = (address: number, bytes: number) => void

interface Decoder {
  readonly exports: Exports
  /** receives the next decoded image */
  receive: Receive
}

const binary = lazily(() =>
  compiled(
    "@jsquash/png/codec/pkg/squoosh_png_bg.wasm",
    () => new URL("@jsquash/png/codec/pkg/squoosh_png_bg.wasm", import.meta.url)
  )
)

/** The imported functions, by the beginnings of their names, which end in a hash. The others are for images of 16 bits. */
const start = async (): Promise<Instance<Decoder>> => {
  const module = await binary()
  const known: Readonly<Record<string, (...values: ReadonlyArray<number>) => unknown>> = {
    newwithownedu8clampedarrayandsh: (address, bytes) => decoder.receive(address! >>> 0, bytes! >>> 0),
    wbindgen_throw: () => {
      throw new Refused("is damaged: its PNG data cannot be unpacked")
    }
  }
  const imports: Record<string, () => unknown> = {}
  for (const { name } of WebAssembly.Module.imports(module)) {
    const knownName = Object.keys(known).find((beginning) => name.replace(/^__(wbg_)?/, "").startsWith(beginning))
    imports[name] = knownName === undefined ? () => 0 : known[knownName]!
  }
  const instance = await WebAssembly.instantiate(module, { wbg: imports })
  const exports = instance.exports as object as Exports
  const decoder: Decoder = { exports, receive: () => undefined }
  return { exports: decoder, bytes: () => exports.memory.buffer.byteLength }
}

const instances = new Instances(start)

/** Verifies the chunks, which the crate does not. Throws for a wrong checksum, or if the file ends before its last chunk. */
const checkChunks = (bytes: Uint8Array): void => {
  const png = new Cursor(bytes)
  for (const { type, at, length } of pngChunks(png)) {
    const end = at + length
    if (png.u32(end) !== crc32(bytes, at - 4, end)) {
      throw new Refused(`is damaged: its PNG chunk "${printableLine(type)}" does not match its checksum`)
    }
    if (type === "IEND") return
  }
  throw new CutShort()
}

export const decodePng: Codec = async (bytes, header) => {
  checkChunks(bytes)
  return instances.with((decoder): Pixels => {
    const { exports } = decoder
    let pixels: Pixels | undefined
    decoder.receive = (address, length) => {
      pixels = opaque(new Uint8Array(exports.memory.buffer, address, length), header)
      exports.__wbindgen_free(address, length, 1)
    }
    try {
      const address = exports.__wbindgen_malloc(bytes.length, 1) >>> 0
      new Uint8Array(exports.memory.buffer).set(bytes, address)
      exports.decode(address, bytes.length)
    } catch (error) {
      throw error instanceof Refused ? error : new Refused("is damaged: its PNG data cannot be unpacked")
    }
    return pixels!
  })
}
