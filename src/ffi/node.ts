/** C functions in Node: the package `koffi`, which the user installs. */
import type { Foreign, Signature, Type, Unavailable } from "./foreign.ts"

/** The members of `koffi` used here, whose types programs without the package do not have. */
interface Koffi {
  readonly version: string
  readonly load: (file: string) => {
    func(name: string, result: string, parameters: ReadonlyArray<string>): unknown
  }
  readonly address: (bytes: Uint8Array) => bigint
  readonly decode: { string(pointer: unknown): string }
  readonly view: (pointer: unknown, bytes: number) => ArrayBuffer
  readonly proto: (result: string, parameters: ReadonlyArray<string>) => object
  readonly pointer: (type: object) => object
  readonly register: (call: unknown, type: object) => bigint
  readonly unregister: (pointer: bigint) => void
}

const words: Readonly<Record<Type, string>> = {
  i32: "int32_t",
  u32: "uint32_t",
  u64: "uint64_t",
  pointer: "void *",
  void: "void"
}

const signatureOf = ({ parameters, result }: Signature) =>
  [words[result], parameters.map((type) => words[type])] as const

/** A page has no `node:module` to import, and bundlers would look for a package that is imported by its name. */
const required = (): Koffi => {
  const { createRequire } = process.getBuiltinModule("node:module")
  return createRequire(import.meta.url)("koffi")
}

/** The version that is tested. */
const INSTALL = "npm install koffi@3.3.4"

/** Returns Node's interface by `koffi`, or why the package cannot be loaded. */
export const foreignOfNode = (): Foreign | Unavailable => {
  let koffi: Koffi
  try {
    koffi = required()
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    return code === "MODULE_NOT_FOUND"
      ? { reason: "Node opens libraries by the package koffi, which is not installed", remedy: INSTALL }
      : {
          reason: `Node opens libraries by the package koffi, which cannot be loaded (${message})`,
          remedy: code === "ERR_DLOPEN_DISABLED" ? "run it with --allow-addons" : INSTALL
        }
  }
  return {
    name: `koffi ${koffi.version}`,
    open: (file, symbols) => {
      try {
        const library = koffi.load(file)
        const call = (name: string, signature: Signature) => library.func(name, ...signatureOf(signature))
        return Object.fromEntries(Object.entries(symbols).map(([name, one]) => [name, call(name, one)])) as never
      } catch (cause) {
        // koffi does not say of which file it speaks
        throw new Error(`${file}: ${(cause as Error).message}`, { cause })
      }
    },
    pointer: BigInt,
    pointerTo: koffi.address,
    addressOf: Number,
    text: koffi.decode.string,
    view: koffi.view,
    callback: (signature, call) => {
      const pointer = koffi.register(call, koffi.pointer(koffi.proto(...signatureOf(signature))))
      return { pointer, close: () => koffi.unregister(pointer) }
    }
  }
}
