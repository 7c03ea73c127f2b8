/**
 * The foreign-function interface of Bun and Deno, as far as a library of C functions over numbers and pointers needs it. Node does not
 * have one.
 */
import { fstatSync } from "node:fs"

/** An address in the runtime's form: a number in Bun, an object in Deno. */
export type Pointer = unknown

export type Parameter = "i32" | "pointer"

export type Functions<Name extends string> = Readonly<Record<Name, (...values: ReadonlyArray<unknown>) => number>>

export interface Foreign {
  /**
   * Opens a library. `forItsParts`: makes its symbols visible to the libraries that it loads and to those opened later. Throws
   * with the system's reason.
   */
  readonly load: (file: string, forItsParts: boolean) => LoadedLibrary
  /** Returns the address of bytes, which must be kept alive while the address is in use. */
  readonly addressOf: (bytes: Uint8Array) => Pointer
  readonly system: System
}

/** Functions of the operating system. */
export interface System {
  /** Returns whether an open file of this process is a connection. */
  readonly isSocket: (file: number) => boolean
  /** Returns the number of bytes written to an open file of this process that its reader has not read yet; 0 if it is not a pipe. */
  readonly unread: (file: number) => number
  /** Discards everything that this process prints from now on. */
  readonly silence: () => void
  /**
   * Exits the process like a C program, running the exit handlers of libraries: Bun skips them, and only then does MPICH report
   * that it has finished.
   */
  readonly exit: (code: number) => void
}

export interface LoadedLibrary {
  /** Returns the address of a global, or null if the library has none of this name. */
  readonly addressOf: (name: string) => Pointer | null
  /** Binds functions that return an int. */
  readonly functions: <Name extends string>(
    parameters: Readonly<Record<Name, ReadonlyArray<Parameter>>>
  ) => Functions<Name>
}

type Call = (...values: ReadonlyArray<unknown>) => unknown

/** What is used of `bun:ffi`, whose types a program in Node or Deno does not have. */
interface BunForeign {
  dlopen(
    file: string,
    symbols: Readonly<Record<string, { readonly args: ReadonlyArray<string>; readonly returns: string }>>
  ): { readonly symbols: Readonly<Record<string, Call>> }
  readonly CString: new (pointer: unknown) => object
  ptr(bytes: Uint8Array): number
}

/** What is used of Deno's, whose types are not among those of this project. */
interface DenoForeign {
  dlopen(
    file: string,
    symbols: Readonly<Record<string, { readonly parameters: ReadonlyArray<string>; readonly result: string }>>
  ): { readonly symbols: Readonly<Record<string, Call>> }
  readonly UnsafePointer: { of(bytes: Uint8Array): unknown }
  readonly UnsafePointerView: { getCString(pointer: unknown): string }
  readonly permissions: { querySync(of: object): { readonly state: string } }
}

/** The runtime's own words for the same things. */
interface Runtime {
  readonly open: (
    file: string,
    symbols: Readonly<Record<string, readonly [parameters: ReadonlyArray<Parameter>, result: Parameter]>>
  ) => Readonly<Record<string, Call>>
  readonly text: (pointer: Pointer) => string
  readonly addressOf: (bytes: Uint8Array) => Pointer
}

const map = <A, B>(values: Readonly<Record<string, A>>, change: (value: A) => B): Record<string, B> =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, change(value)]))

const ofBun = ({ dlopen, CString, ptr }: BunForeign): Runtime => {
  const words = { i32: "i32", pointer: "ptr" }
  return {
    open: (file, symbols) =>
      dlopen(
        file,
        map(symbols, ([parameters, result]) => ({ args: parameters.map((one) => words[one]), returns: words[result] }))
      ).symbols,
    text: (pointer) => String(new CString(pointer)),
    addressOf: ptr
  }
}

const ofDeno = ({ dlopen, UnsafePointer, UnsafePointerView }: DenoForeign): Runtime => ({
  open: (file, symbols) =>
    dlopen(
      file,
      map(symbols, ([parameters, result]) => ({ parameters, result }))
    ).symbols,
  text: (pointer) => UnsafePointerView.getCString(pointer),
  addressOf: (bytes) => {
    // small arrays are part of the heap that V8 moves, until their buffer was asked for
    void bytes.buffer
    return UnsafePointer.of(bytes)
  }
})

const isPipe = (file: number): boolean => {
  try {
    return fstatSync(file).isFIFO()
  } catch {
    return false
  }
}

/** The system's library in which dlopen is. */
const systemLibraries: Readonly<Record<string, ReadonlyArray<string>>> = {
  linux: ["libc.so.6", `libc.musl-${process.arch === "arm64" ? "aarch64" : "x86_64"}.so.1`],
  darwin: ["libSystem.B.dylib"]
}
const O_WRONLY = 1
const FIONREAD: Readonly<Record<string, number>> = { linux: 0x541b, darwin: 0x4004_667f }
const RTLD_NOW = 2
const RTLD_GLOBAL: Readonly<Record<string, number>> = { linux: 0x100, darwin: 0x8 }

const foreignOf = ({ open, text, addressOf }: Runtime): Foreign => {
  const files = systemLibraries[process.platform] ?? []
  const system = firstThatOpens(files, (file) =>
    open(file, {
      dlopen: [["pointer", "i32"], "pointer"],
      dlsym: [["pointer", "pointer"], "pointer"],
      dlerror: [[], "pointer"],
      open: [["pointer", "i32"], "i32"],
      dup2: [["i32", "i32"], "i32"],
      getsockname: [["i32", "pointer", "pointer"], "i32"],
      // it is variadic: its value is the third argument, but for Apple's arm64 the first one on the stack, which is the ninth
      ioctl: [["i32", "i32", ...Array.from({ length: 7 }, () => "pointer" as const)], "i32"],
      exit: [["i32"], "i32"]
    })
  )
  const word = (value: string) => new TextEncoder().encode(`${value}\0`)
  const given = (call: Call, before: ReadonlyArray<unknown>, value: string, after: ReadonlyArray<unknown>) => {
    const bytes = word(value)
    return call(...before, addressOf(bytes), ...after)
  }
  return {
    addressOf,
    system: {
      isSocket: (file) => {
        const room = new Uint8Array(128)
        const length = new Uint8Array(Int32Array.of(room.length).buffer)
        return system["getsockname"]!(file, addressOf(room), addressOf(length)) === 0
      },
      unread: (file) => {
        if (!isPipe(file)) return 0
        const bytes = Int32Array.of(0)
        const at = addressOf(new Uint8Array(bytes.buffer))
        const nothing = Array.from({ length: 5 }, () => null)
        return system["ioctl"]!(file, FIONREAD[process.platform]!, at, ...nothing, at) === 0 ? bytes[0]! : 0
      },
      silence: () => {
        const nowhere = given(system["open"]!, [], "/dev/null", [O_WRONLY])
        for (const stream of [1, 2]) system["dup2"]!(nowhere, stream)
      },
      exit: (code) => void system["exit"]!(code)
    },
    load: (file, forItsParts) => {
      const flags = RTLD_NOW | (forItsParts ? RTLD_GLOBAL[process.platform]! : 0)
      const handle = given(system["dlopen"]!, [], file, [flags])
      if (handle === null || handle === 0) throw new Error(text(system["dlerror"]!()))
      return {
        addressOf: (name) => given(system["dlsym"]!, [handle], name, []) || null,
        functions: (parameters) =>
          open(
            file,
            map<ReadonlyArray<Parameter>, readonly [ReadonlyArray<Parameter>, Parameter]>(parameters, (one) => [
              one,
              "i32"
            ])
          ) as Functions<keyof typeof parameters>
      }
    }
  }
}

const firstThatOpens = <A>(files: ReadonlyArray<string>, open: (file: string) => A): A => {
  for (const file of files.slice(0, -1)) {
    try {
      return open(file)
    } catch {
      // the next one
    }
  }
  const last = files.at(-1)
  if (last === undefined) throw new Error(`there is no way to open an MPI library on ${process.platform}`)
  return open(last)
}

/** Returns the runtime's foreign-function interface, or a clause on why it is missing and one on what to do. */
export const foreign = (): Foreign | { readonly reason: string; readonly remedy: string } => {
  const { Deno: deno } = globalThis as { readonly Deno?: DenoForeign }
  if (deno !== undefined) {
    return deno.permissions.querySync({ name: "ffi" }).state === "granted"
      ? foreignOf(ofDeno(deno))
      : { reason: "Deno does not allow it to open a library", remedy: "run it with --allow-ffi" }
  }
  const bun = process.versions["bun"] && (process.getBuiltinModule as (name: string) => unknown)("bun:ffi")
  return bun
    ? foreignOf(ofBun(bun as BunForeign))
    : { reason: "Node has no foreign-function interface to open MPI's library with", remedy: "run it in Bun or Deno" }
}
