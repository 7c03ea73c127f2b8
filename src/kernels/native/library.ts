/**
 * Opens the library of native kernels (`c/`) for this platform, through the foreign-function interface that Bun and Deno have. Node has
 * none.
 */
import type { NativeKernel, NativeLibrary } from "./heap.ts"

interface Foreign {
  /** The text that a function of the library returns. */
  readonly text: (file: string, name: string) => string
  readonly kernels: (file: string, names: ReadonlyArray<string>) => ReadonlyArray<NativeKernel>
  readonly pointer: NativeLibrary["pointer"]
  readonly addressOf: NativeLibrary["addressOf"]
  /** madvise of the C library: 0 where it did what it was asked. Throws where there is no such library. */
  readonly advise: (address: number, bytes: number, advice: number) => unknown
}

/** The GNU C library on Linux. */
const LIBC = "libc.so.6"

/** What is used of `bun:ffi`, whose types a program in Node or Deno does not have. */
interface BunForeign {
  dlopen(
    file: string,
    symbols: Readonly<Record<string, { readonly args: ReadonlyArray<string>; readonly returns: string }>>
  ): { readonly symbols: Readonly<Record<string, (...values: ReadonlyArray<unknown>) => unknown>> }
  readonly CString: new (pointer: unknown) => object
  ptr(bytes: Uint8Array): number
}

const ofBun = ({ dlopen, CString, ptr }: BunForeign): Foreign => ({
  text: (file, name) => {
    const { symbols } = dlopen(file, { [name]: { args: [], returns: "ptr" } })
    return String(new CString(symbols[name]!()))
  },
  kernels: (file, names) => {
    const kernel = { args: ["ptr", "u32", "i32", "u32"], returns: "void" }
    const { symbols } = dlopen(file, Object.fromEntries(names.map((name) => [name, kernel])))
    return names.map((name) => symbols[name] as NativeKernel)
  },
  pointer: (address) => address,
  addressOf: (buffer) => ptr(new Uint8Array(buffer)),
  advise: (...values) =>
    dlopen(LIBC, { madvise: { args: ["ptr", "u64", "i32"], returns: "i32" } }).symbols["madvise"]!(...values)
})

/** What is used of Deno's, whose types are not among those of this project. */
interface DenoForeign {
  dlopen(
    file: string,
    symbols: Readonly<Record<string, { readonly parameters: ReadonlyArray<string>; readonly result: string }>>
  ): { readonly symbols: Readonly<Record<string, (...values: ReadonlyArray<unknown>) => unknown>> }
  readonly UnsafePointer: {
    create(address: bigint): unknown
    of(bytes: Uint8Array): unknown
    value(pointer: unknown): bigint
  }
  readonly UnsafePointerView: { getCString(pointer: unknown): string }
}

const ofDeno = ({ dlopen, UnsafePointer, UnsafePointerView }: DenoForeign): Foreign => ({
  text: (file, name) => {
    const { symbols } = dlopen(file, { [name]: { parameters: [], result: "pointer" } })
    return UnsafePointerView.getCString(symbols[name]!())
  },
  kernels: (file, names) => {
    const kernel = { parameters: ["pointer", "u32", "i32", "u32"], result: "void" }
    const { symbols } = dlopen(file, Object.fromEntries(names.map((name) => [name, kernel])))
    return names.map((name) => symbols[name] as NativeKernel)
  },
  pointer: (address) => UnsafePointer.create(BigInt(address)),
  addressOf: (buffer) => Number(UnsafePointer.value(UnsafePointer.of(new Uint8Array(buffer)))),
  advise: (address, bytes, advice) => {
    const { symbols } = dlopen(LIBC, { madvise: { parameters: ["pointer", "usize", "i32"], result: "i32" } })
    return symbols["madvise"]!(UnsafePointer.create(BigInt(address)), BigInt(bytes), advice)
  }
})

const foreign = (): Foreign => {
  const { Deno: deno } = globalThis as { readonly Deno?: DenoForeign }
  if (deno !== undefined) return ofDeno(deno)
  const bun = process.versions["bun"] && (process.getBuiltinModule as (name: string) => unknown)("bun:ffi")
  if (bun) return ofBun(bun as BunForeign)
  throw new Error("this runtime has no foreign-function interface; Bun and Deno do")
}

const ENDINGS: Readonly<Record<string, string>> = { linux: "so", darwin: "dylib", win32: "dll" }

/** Of this platform, whether it is there or not. */
export const libraryFile = (): URL => {
  const { platform, arch } = process
  return new URL(`./kernels-${platform}-${arch}.${ENDINGS[platform] ?? "so"}`, import.meta.url)
}

/**
 * Opens the native library. Throws if this platform has no library, the runtime may not open it, or the processor lacks its instructions.
 * `wanted`: an instruction set that the processor supports, to use instead of its best one; default: the one that the environment names.
 */
export const openLibrary = (file: string, wanted = process.env["TFJS_LORA_PRO_INSTRUCTIONS"]): NativeLibrary => {
  const { text, kernels, pointer, addressOf } = foreign()
  const [best, ...names] = text(file, "describe").split(" ")
  if (!best) throw new Error(`${file} has no kernels for this processor`)
  // each has those before it
  const x64 = ["avx2", "avx512"]
  const available = x64.includes(best) ? x64.slice(0, x64.indexOf(best) + 1) : [best]
  const instructions = wanted ?? best
  if (!available.includes(instructions))
    throw new Error(
      `TFJS_LORA_PRO_INSTRUCTIONS: found "${instructions}"; this processor has ${available.join(" and ")}`
    )
  const calls = kernels(
    file,
    names.map((name) => `${name}_${instructions}`)
  )
  return {
    file,
    instructions,
    available,
    kernels: new Map(names.map((name, i) => [name, calls[i]!])),
    pointer,
    addressOf
  }
}

/** MADV_HUGEPAGE of Linux. */
const LARGE_PAGES = 14

/** Where a wasm memory grows in place: its runtime reserves as much. */
const RESERVED = 2 ** 32 - 2 ** 16

/**
 * Asks Linux for pages of 2 MiB for a memory that has not been written to, and for what it grows by: a step touches more of 4 KiB than a
 * processor remembers the places of. A system that gives none changes nothing.
 */
export const askForLargePages = (memory: WebAssembly.Memory): void => {
  if (process.platform !== "linux") return
  try {
    const { addressOf, advise } = foreign()
    advise(addressOf(memory.buffer), RESERVED, LARGE_PAGES)
  } catch {
    // another C library: its pages stay as they are
  }
}
