/**
 * The declaration of a kernel: the names and types of its buffers and words, once. Both engines are called through it, and the structures
 * by which C reads its arguments (`declared.h`) are made from it by `scripts/kernels.ts`.
 *
 * @example
 * import { declareKernel, read, write } from "./declaration.ts"
 *
 * const halved = declareKernel({
 *   name: "halved",
 *   buffers: { x: read("f32"), y: write("f32") },
 *   words: { size: "u32" },
 *   split: { over: "size", cost: () => 2, unit: 4 }
 * })
 * // engine.run(halved, { x, y }, { size }): a missing, an extra or a misspelt word does not compile, and throws from JavaScript
 */

/** Type of a word. f64 exists only on CPUs; C reads u32 as int32_t, its type of counts. */
export type WordType = "u32" | "i32" | "f32" | "f64"

/** Element type in WGSL, such as f32, u32 or vec4f; on wasm it only documents the memory's content. */
export type ElementType = string

/** Type of a buffer and how a kernel uses it. */
export interface BufferType {
  readonly element: ElementType
  readonly writes: boolean
  readonly optional: boolean
  /** whether it may lie outside of the heap: its address, from where the heap begins, has 64 bits */
  readonly far?: boolean
}

/** Buffers of a kernel, by name. */
export type BufferTypes = Readonly<Record<string, BufferType>>
/** Words of a kernel, by name. */
export type WordTypes = Readonly<Record<string, WordType>>
/** Buffers and words of one entry of a list. */
export type EntryTypes = Readonly<Record<string, BufferType | WordType>>

/** Declares a buffer that the kernel reads. */
export const read = (element: ElementType) => ({ element, writes: false, optional: false }) as const
/** Declares a buffer that the kernel writes. */
export const write = (element: ElementType) => ({ element, writes: true, optional: false }) as const
type All<Names extends string, B extends BufferType> = { readonly [K in Names]: B }
const all = <Names extends string, B extends BufferType>(buffer: B, names: ReadonlyArray<Names>) =>
  Object.fromEntries(names.map((name) => [name, buffer])) as All<Names, B>

/** Declares several buffers of one type that the kernel reads. */
export const reads = <Names extends string>(element: ElementType, ...names: ReadonlyArray<Names>) =>
  all(read(element), names)
/** Declares several buffers of one type that the kernel writes. */
export const writes = <Names extends string>(element: ElementType, ...names: ReadonlyArray<Names>) =>
  all(write(element), names)
/** Declares a buffer that a call may omit; its address is 0 then. Only on wasm. */
export const optional = <B extends BufferType>(buffer: B) => ({ ...buffer, optional: true }) as const

/** Declares a buffer that may lie outside of the heap, where large state does on native. */
export const far = <B extends BufferType>(buffer: B) => ({ ...buffer, far: true }) as const

type OptionalOf<B> = { [K in keyof B]: B[K] extends { readonly optional: true } ? K : never }[keyof B]

/** A `Value` for each buffer; optional buffers may be missing. */
export type BuffersOf<B extends BufferTypes, Value> = {
  readonly [K in Exclude<keyof B, OptionalOf<B>>]: Value
} & { readonly [K in OptionalOf<B>]?: Value | undefined }

/** Values of a kernel's words. */
export type WordsOf<W extends WordTypes> = { readonly [K in keyof W]: number }

/** Values of one entry of a list: a `Value` for each buffer, a number for each word. */
export type EntryOf<E extends EntryTypes, Value> = {
  readonly [K in Exclude<keyof E, OptionalOf<E>>]: E[K] extends WordType
    ? number
    : E[K] extends BufferType
      ? Value
      : Value | number
} & { readonly [K in OptionalOf<E>]?: Value | undefined }

/** Division of a wasm kernel into chunks. It depends on the work only, never on the number of threads. */
export interface Split<W extends WordTypes> {
  /** word that counts the items; a further word `perChunk` is then the number of items per chunk */
  readonly over: keyof W & string
  /** Returns the cost of an item, in multiplications. */
  cost(words: WordsOf<W>): number
  /** number of which a chunk's item count is a multiple; default 1 */
  readonly unit?: number
}

/** Declaration of a kernel, as both engines call it. */
export interface Kernel<
  B extends BufferTypes = BufferTypes,
  W extends WordTypes = WordTypes,
  E extends EntryTypes = EntryTypes
> {
  /** Name of its function in `c/`. */
  readonly name: string
  readonly buffers: B
  readonly words: W
  /** Buffers and words of each entry, for a kernel over a list. The words `entries` (their number) and `perChunk` follow the kernel's own. */
  readonly entry?: E
  /** Division into chunks. Absent: the caller passes the number of chunks. */
  readonly split?: Split<W>
  /** Whether machine code computes the same bits as wasm: neither the vector length nor fused multiply-adds change a result. */
  readonly sameBits?: true
  /** Returns the number of bytes that each thread needs for itself. */
  scratch?(words: WordsOf<W>): number
  /**
   * Name of the structure of its arguments in C. Kernels may share one whose first fields are the arguments of each. Default: the kernel's name,
   * capitalised.
   */
  readonly structure?: string
}

/** A field of a kernel's arguments. */
export interface Field {
  readonly name: string
  readonly type: "buffer" | "far" | WordType
  readonly optional: boolean
  /** position in 32-bit words, from the first argument or from the start of the entry */
  readonly at: number
}

/** Fields by the source of their values. */
export interface Fields {
  readonly words: ReadonlyArray<Field>
  readonly buffers: ReadonlyArray<Field>
  /** `entries` and `perChunk` */
  readonly implicit: ReadonlyArray<Field>
}

/** Positions of the arguments, as a C compiler lays them out: words, then buffers. Sizes in 32-bit words. */
export interface Layout {
  readonly className: string
  readonly fields: ReadonlyArray<Field>
  readonly fieldsBySource: Fields
  readonly size: number
  readonly entry: ReadonlyArray<Field>
  readonly entrySize: number
}

const placed = (types: EntryTypes): readonly [fields: ReadonlyArray<Field>, size: number] => {
  let end = 0
  const fields = Object.entries(types).map(([name, type]): Field => {
    const word = typeof type === "string"
    const wordType = word ? type : type.far ? "far" : "buffer"
    const size = isWide(wordType) ? 2 : 1
    const at = Math.ceil(end / size) * size
    end = at + size
    return { name, type: wordType, optional: !word && type.optional, at }
  })
  // an entry of 64 bits begins where they may lie
  return [fields, fields.some(({ type }) => isWide(type)) ? Math.ceil(end / 2) * 2 : end]
}

/** Whether a field has two words. */
const isWide = (type: Field["type"]): boolean => type === "f64" || type === "far"

const IMPLICIT = {
  split: { perChunk: "i32" },
  entry: { entries: "i32", perChunk: "i32" }
} as const satisfies Record<string, WordTypes>

const layouts = new WeakMap<object, Layout>()
const kernels = new Map<string, Kernel>()

/** Returns every kernel that the loaded modules declare. */
export const declaredKernels = (): ReadonlyArray<Kernel> => [...kernels.values()]

/** Returns the layout of a kernel. Throws if `declareKernel` did not create the kernel. */
export const layoutOf = (kernel: Kernel): Layout => {
  const layout = layouts.get(kernel)
  if (layout === undefined) throw new Error(`${nameOf(kernel)} is not a declared kernel: call declareKernel`)
  return layout
}

const nameOf = (kernel: { readonly name?: string } | string): string =>
  JSON.stringify(typeof kernel === "string" ? kernel : kernel?.name)

/** Declares a kernel. Throws if its name is taken or two of its fields have the same name. */
export const declareKernel = <
  const B extends BufferTypes,
  const W extends WordTypes,
  const E extends EntryTypes = Record<never, never>
>(
  kernel: Kernel<B, W, E>
): Kernel<B, W, E> => {
  const { name, buffers, words, split } = kernel
  const entry: EntryTypes = kernel.entry ?? {}
  if (kernels.has(name)) throw new Error(`kernel ${name} is already declared`)
  const implicit = kernel.entry === undefined ? (split === undefined ? {} : IMPLICIT.split) : IMPLICIT.entry
  const all = [words, implicit, buffers].flatMap((types: EntryTypes) => Object.entries(types))
  if (new Set(all.map(([field]) => field)).size < all.length) throw new Error(`kernel ${name}: duplicate field`)
  const [fields, size] = placed(Object.fromEntries(all))
  const [entryFields, entrySize] = placed(entry)
  const className = kernel.structure ?? `${name[0]!.toUpperCase()}${name.slice(1)}`
  const aligned = entryFields.some(({ type }) => isWide(type)) ? Math.ceil(size / 2) * 2 : size
  const fieldsBySource: Fields = {
    words: fields.filter(({ name }) => name in words),
    buffers: fields.filter(({ name }) => name in buffers),
    implicit: fields.filter(({ name }) => name in implicit)
  }
  layouts.set(kernel, { className, fields, fieldsBySource, size: aligned, entry: entryFields, entrySize })
  kernels.set(name, kernel)
  return kernel
}

/** Throws unless `values` has a value for every declared name that is not optional, and for no other name. */
export const refuseOthers = (
  kernel: string,
  what: "buffers" | "words" | "entry",
  declared: EntryTypes,
  values: Readonly<Record<string, unknown>>
): void => {
  for (const name in declared) {
    const [type, value] = [declared[name]!, values[name]]
    if (value === undefined && typeof type !== "string" && type.optional) continue
    if (typeof type === "string" ? typeof value !== "number" : typeof value !== "object" || value === null) {
      throw new Error(`${kernel}: ${what} lack ${name}; ${listOf(declared, values)}`)
    }
  }
  for (const name in values) {
    if (!(name in declared)) throw new Error(`${kernel}: ${what}: unknown ${name}; ${listOf(declared, values)}`)
  }
}

const listOf = (declared: object, values: object): string =>
  `declared: ${Object.keys(declared).join(", ")}; given: ${Object.keys(values).join(", ")}`
