/** Opens the library of native kernels (`c/`) for this platform. */
import { byteSize } from "../../boundary/index.ts"
import { type Foreign, foreign, openSystemLibrary } from "../../ffi/index.ts"
import type { NativeLibrary } from "./heap.ts"
import type { PrivateMemory } from "./outside.ts"

const runtime = (): Foreign => {
  const ffi = foreign()
  if ("reason" in ffi) throw new Error(`${ffi.reason}; ${ffi.remedy}`)
  return ffi
}

const ENDINGS: Readonly<Record<string, string>> = { linux: "so", darwin: "dylib", win32: "dll" }

/** Returns the file of this platform's library, whether it exists or not. */
export const libraryFile = (): URL => {
  const { platform, arch } = process
  return new URL(`./kernels-${platform}-${arch}.${ENDINGS[platform] ?? "so"}`, import.meta.url)
}

/** Numbers of `../c/bfloat16.h`. */
const OPERANDS: Readonly<Record<string, number>> = { avx512_bf16: 1, bf16: 1, amx: 2 }

const KERNEL = { parameters: ["pointer", "u32", "i32", "u32"], result: "void" } as const

/**
 * Opens the native library. Throws if this platform has no library, the runtime may not open it, or the processor lacks its instructions.
 * `wanted`: an instruction set that the processor supports, to use instead of its best one; default: the one that the environment names.
 */
export const openLibrary = (file: string, wanted = process.env["TFJS_LORA_PRO_INSTRUCTIONS"]): NativeLibrary => {
  const foreign = runtime()
  const { open, text, pointerTo, addressOf } = foreign
  const { describe, bfloat16 } = open(file, {
    describe: { parameters: [], result: "pointer" },
    bfloat16: { parameters: [], result: "pointer" }
  })
  const [best, ...names] = text(describe()).split(" ")
  if (!best) throw new Error(`${file} contains no kernels for this processor`)
  // each has those before it
  const x64 = ["avx2", "avx512"]
  const available = x64.includes(best) ? x64.slice(0, x64.indexOf(best) + 1) : [best]
  const instructions = wanted ?? best
  if (!available.includes(instructions))
    throw new Error(
      `TFJS_LORA_PRO_INSTRUCTIONS: found "${instructions}"; this processor supports ${available.join(" and ")}`
    )
  const calls = open(file, Object.fromEntries(names.map((name) => [`${name}_${instructions}`, KERNEL])))
  return {
    file,
    instructions,
    available,
    kernels: new Map(names.map((name) => [name, calls[`${name}_${instructions}`]!])),
    bfloat16: () =>
      instructions === best
        ? text(bfloat16())
            .split(" ")
            .filter((name) => name !== "")
            .map((name) => ({ name, operands: OPERANDS[name]! }))
        : [],
    pointerTo,
    addressOf,
    privateMemory: process.platform === "win32" ? undefined : privateMemoryOf(foreign),
    mapFile: process.platform === "win32" ? undefined : mappingOf(foreign, file)
  }
}

/** Opens the functions that map files (`c/mapped.c`). */
const mappingOf = ({ open, text, pointerTo, addressOf }: Foreign, library: string): NativeLibrary["mapFile"] => {
  const calls = open(library, {
    map_file: { parameters: ["pointer", "u64"], result: "pointer" },
    map_error: { parameters: [], result: "pointer" },
    unmap_file: { parameters: ["pointer", "u64"], result: "void" }
  })
  return (file, bytes) => {
    const path = new TextEncoder().encode(`${file}\0`)
    const at = calls.map_file(pointerTo(path), bytes)
    const address = at === null ? 0 : addressOf(at)
    if (address === 0) throw new Error(text(calls.map_error()))
    return { address, unmap: () => void calls.unmap_file(at, bytes) }
  }
}

/** PROT_READ and PROT_WRITE; MAP_PRIVATE and MAP_ANONYMOUS, by system. */
const READ_AND_WRITE = 3
const PRIVATE = process.platform === "darwin" ? 0x1002 : 0x22

/** What asks the system for pages; undefined with a C library that is not known. */
const privateMemoryOf = (runtime: Foreign): PrivateMemory | undefined => {
  try {
    const { mmap, munmap } = openSystemLibrary(runtime, {
      mmap: { parameters: ["pointer", "u64", "i32", "i32", "i32", "u64"], result: "pointer" },
      munmap: { parameters: ["pointer", "u64"], result: "i32" }
    })
    const { pointer, addressOf, view } = runtime
    return {
      allocate: (bytes) => {
        const at = mmap(null, bytes, READ_AND_WRITE, PRIVATE, -1, 0)
        const address = at === null ? 0 : addressOf(at)
        // −1 is a failure
        if (address === 0 || address > Number.MAX_SAFE_INTEGER)
          throw new Error(`cannot allocate ${byteSize(bytes)} of memory for a tensor`)
        return address
      },
      free: (address, bytes) => void munmap(pointer(address), bytes),
      view: (address, bytes) => view(pointer(address), bytes)
    }
  } catch {
    return undefined
  }
}

/** MADV_HUGEPAGE of Linux. */
const LARGE_PAGES = 14

/** Where a wasm memory grows in place: its runtime reserves as much. */
const RESERVED = 2 ** 32 - 2 ** 16

/**
 * Asks Linux for 2 MiB pages for a memory that has not been written to, and for its growth: with 4 KiB pages, a step touches more pages than a
 * processor's TLB holds. Has no effect if the system grants none.
 */
export const askForLargePages = (memory: WebAssembly.Memory): void => {
  if (process.platform !== "linux") return
  try {
    const ffi = runtime()
    const { madvise } = openSystemLibrary(ffi, { madvise: { parameters: ["pointer", "u64", "i32"], result: "i32" } })
    madvise(ffi.pointerTo(new Uint8Array(memory.buffer)), BigInt(RESERVED), LARGE_PAGES)
  } catch {
    // another C library: its pages stay as they are
  }
}
