/** C functions in Bun: the module `bun:ffi`. */
import type { Foreign, Signature, Type } from "./foreign.ts"

interface BunSignature {
  readonly args: ReadonlyArray<string>
  readonly returns: string
}

/** The members of `bun:ffi` used here, whose types programs in Node or Deno do not have. */
interface BunForeign {
  dlopen(file: string, symbols: Readonly<Record<string, BunSignature>>): { readonly symbols: unknown }
  ptr(bytes: Uint8Array): number
  toArrayBuffer(pointer: unknown, offset: number, bytes: number): ArrayBuffer
  readonly CString: new (pointer: unknown) => object
  readonly JSCallback: new (call: unknown, signature: BunSignature) => { readonly ptr: number; close(): void }
}

const word = (type: Type): string => (type === "pointer" ? "ptr" : type)

const signatureOf = ({ parameters, result }: Signature): BunSignature => ({
  args: parameters.map(word),
  returns: word(result)
})

export const foreignOfBun = (): Foreign => {
  const { dlopen, ptr, toArrayBuffer, CString, JSCallback } = (process.getBuiltinModule as (name: string) => unknown)(
    "bun:ffi"
  ) as BunForeign
  return {
    name: "bun:ffi",
    open: (file, symbols) => {
      const signatures = Object.entries(symbols).map(([name, signature]) => [name, signatureOf(signature)] as const)
      return dlopen(file, Object.fromEntries(signatures)).symbols as never
    },
    pointer: (address) => address,
    pointerTo: ptr,
    addressOf: Number,
    text: (pointer) => String(new CString(pointer)),
    view: (pointer, bytes) => toArrayBuffer(pointer, 0, bytes),
    callback: (signature, call) => {
      const made = new JSCallback(call, signatureOf(signature))
      return { pointer: made.ptr, close: () => made.close() }
    }
  }
}
