/** C functions in Deno: `Deno.dlopen` and the classes that belong to it. */
import type { Foreign, Signature } from "./foreign.ts"

/** The members of `Deno` used here, whose types are not among those of this project. */
export interface Deno {
  dlopen(file: string, symbols: Readonly<Record<string, Signature>>): { readonly symbols: unknown }
  readonly UnsafePointer: {
    create(address: bigint): unknown
    of(bytes: Uint8Array): unknown
    value(pointer: unknown): bigint
  }
  readonly UnsafePointerView: {
    getCString(pointer: unknown): string
    getArrayBuffer(pointer: unknown, bytes: number): ArrayBuffer
  }
  readonly UnsafeCallback: new (signature: Signature, call: unknown) => { readonly pointer: unknown; close(): void }
  readonly permissions: { querySync(of: object): { readonly state: string } }
}

export const foreignOfDeno = (deno: Deno): Foreign => {
  const { UnsafePointer, UnsafePointerView, UnsafeCallback } = deno
  return {
    name: "Deno.dlopen",
    open: (file, symbols) => deno.dlopen(file, symbols).symbols as never,
    pointer: (address) => UnsafePointer.create(BigInt(address)),
    pointerTo: (bytes) => {
      // small arrays are part of the heap that V8 moves, until their buffer was asked for
      void bytes.buffer
      return UnsafePointer.of(bytes)
    },
    addressOf: (pointer) => Number(UnsafePointer.value(pointer)),
    text: (pointer) => UnsafePointerView.getCString(pointer),
    view: (pointer, bytes) => UnsafePointerView.getArrayBuffer(pointer, bytes),
    callback: (signature, call) => {
      const made = new UnsafeCallback(signature, call)
      return { pointer: made.pointer, close: () => made.close() }
    }
  }
}
