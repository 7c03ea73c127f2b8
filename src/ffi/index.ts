/**
 * Calls of C functions: one interface over what Bun, Deno and Node have for them. Nothing else opens a library.
 *
 * @example
 * import { foreign, openSystemLibrary } from "./index.ts"
 *
 * const runtime = foreign()
 * if ("reason" in runtime) throw new Error(`${runtime.reason}; ${runtime.remedy}`)
 * const { getpid } = openSystemLibrary(runtime, { getpid: { parameters: [], result: "i32" } })
 * console.log(runtime.name, getpid())
 */
import { foreignOfBun } from "./bun.ts"
import { type Deno, foreignOfDeno } from "./deno.ts"
import type { Calls, Foreign, Symbols, Unavailable } from "./foreign.ts"
import { foreignOfNode } from "./node.ts"

export type { Call, Callback, Calls, Foreign, Pointer, Signature, Symbols, Type, Unavailable } from "./foreign.ts"

/** Returns the interface of this runtime, or why it is not available. */
export const foreign = (): Foreign | Unavailable => {
  const { Deno: deno } = globalThis as { readonly Deno?: Deno }
  if (deno !== undefined)
    return deno.permissions.querySync({ name: "ffi" }).state === "granted"
      ? foreignOfDeno(deno)
      : { reason: "Deno does not allow it to open a library", remedy: "run it with --allow-ffi" }
  return process.versions["bun"] === undefined ? foreignOfNode() : foreignOfBun()
}

/** File names of the C library: glibc, musl, macOS. */
const systemFiles: Readonly<Record<string, ReadonlyArray<string>>> = {
  linux: ["libc.so.6", `libc.musl-${process.arch === "arm64" ? "aarch64" : "x86_64"}.so.1`],
  darwin: ["libSystem.B.dylib"]
}

/** Binds functions of the C library. Throws on a platform without one, such as Windows. */
export const openSystemLibrary = <const S extends Symbols>({ open }: Foreign, symbols: S): Calls<S> => {
  const [first, ...others] = systemFiles[process.platform] ?? []
  if (first === undefined) throw new Error(`there is no C library to open on ${process.platform}`)
  try {
    return open(first, symbols)
  } catch (cause) {
    const [second] = others
    if (second === undefined) throw cause
    return open(second, symbols)
  }
}
