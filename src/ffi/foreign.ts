/** The interface to C functions that each runtime implements. */

/** Types of parameters and results. A `u64` is passed as a number or a bigint. */
export type Type = "i32" | "u32" | "u64" | "pointer" | "void"

/** A machine address in the runtime's own form; null: none. */
export type Pointer = unknown

type Parameters = ReadonlyArray<Exclude<Type, "void">>

export interface Signature {
  readonly parameters: Parameters
  readonly result: Exclude<Type, "u64">
}

interface Values {
  readonly i32: number
  readonly u32: number
  readonly u64: number | bigint
  readonly pointer: Pointer
  readonly void: unknown
}

type Arguments<P extends Parameters> = { readonly [I in keyof P]: Values[P[I]] }

/** A C function as JavaScript calls it. */
export type Call<S extends Signature> = (...values: Arguments<S["parameters"]>) => Values[S["result"]]

export type Symbols = Readonly<Record<string, Signature>>

/** The bound functions of a library, by name. */
export type Calls<S extends Symbols> = { readonly [Name in keyof S]: Call<S[Name]> }

/** A JavaScript function that C can call on this thread. */
export interface Callback {
  readonly pointer: Pointer
  /** Frees it. C must not call it afterwards. */
  readonly close: () => void
}

export interface Foreign {
  /** the implementation, such as "bun:ffi" */
  readonly name: string
  /** Opens a library and binds some of its functions. Throws with the system's reason. */
  readonly open: <const S extends Symbols>(file: string, symbols: S) => Calls<S>
  /** Returns the pointer for a machine address. */
  readonly pointer: (address: number) => Pointer
  /** Returns the pointer to the first of these bytes. Keep them referenced while it is in use. */
  readonly pointerTo: (bytes: Uint8Array) => Pointer
  /** Returns the machine address of a pointer. */
  readonly addressOf: (pointer: Pointer) => number
  /** Returns the UTF-8 text at a pointer, up to its first zero byte. */
  readonly text: (pointer: Pointer) => string
  /** Returns a view of the memory at a pointer. Keep it mapped while the view is in use. */
  readonly view: (pointer: Pointer, bytes: number) => ArrayBuffer
  readonly callback: <const S extends Signature>(signature: S, call: Call<S>) => Callback
}

/** Clauses on why this process cannot call C functions, and on what to do. */
export interface Unavailable {
  readonly reason: string
  readonly remedy: string
}
