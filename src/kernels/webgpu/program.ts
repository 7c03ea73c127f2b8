/**
 * A program of our own for the GPU: a declaration from which the whole WGSL text comes, so that text and bindings cannot disagree.
 *
 * A program's text has no shapes and no lengths; they are words, given with each dispatch. (tfjs caches its programs by a key that
 * must name every constant in the text; one left out gives wrong numbers in silence.) What does vary in the text, a variant, is a program
 * of its own, made once by `variants`.
 *
 * A program's body defines `fn kernel(group: u32, local: u32)`: what one workgroup does. Groups are numbered from 0 whatever their number;
 * the engine lays them out in two dimensions beyond 65,535. Both arguments are uniform where WGSL wants it: `group` may decide about
 * barriers, `local` may not.
 *
 *   words.n            the declared words
 *   x[i], y[i]         the declared buffers
 *   isFinite(v), isNaN(v)   by the bits: a compiler may assume that v == v
 *   notANumber()       which WGSL has no constant for
 */
import type { BufferType, WordType } from "../declaration.ts"

/** Maximum number of buffers per program, which every WebGPU implementation supports. */
export const MOST_BUFFERS = 8

/** Maximum number of words per dispatch, including the number of groups. */
export const MOST_PROGRAM_WORDS = 64

/** A GPU program. */
export interface Program<Buffers extends string = string, Words extends string = string> {
  /** Name of the program in errors, counts and profiles: the kernel's name and the part of its work. */
  readonly name: string
  readonly code: string
  /** body of the declaration */
  readonly body: string
  readonly workgroup: number
  readonly buffers: Readonly<Record<Buffers, BufferType>>
  readonly words: Readonly<Record<Words, WgslWord>>
}

type WgslWord = Exclude<WordType, "f64">

/** Declaration of a program. */
export interface Declaration<Buffers extends string, Words extends string> {
  readonly name: string
  /** buffers in the order of their bindings */
  readonly buffers: Readonly<Record<Buffers, BufferType>>
  readonly words: Readonly<Record<Words, WgslWord>>
  /** invocations per workgroup, at most 256 */
  readonly workgroup: number
  /** WGSL of the declarations, including workgroup memory, and of `fn kernel(group: u32, local: u32)` */
  readonly body: string
}

const PRELUDE = `
fn isFinite(v: f32) -> bool { return (bitcast<u32>(v) & 0x7f800000u) != 0x7f800000u; }
fn isNaN(v: f32) -> bool { return (bitcast<u32>(v) & 0x7fffffffu) > 0x7f800000u; }
fn notANumber() -> f32 { return bitcast<f32>(words.quietNan); }
`

const QUIET_NAN = 0x7fc00000

/** Creates a program from its declaration. */
export const program = <Buffers extends string, Words extends string>({
  name,
  buffers,
  words,
  workgroup,
  body
}: Declaration<Buffers, Words>): Program<Buffers, Words> => {
  const bindings = Object.entries<BufferType>(buffers)
  if (bindings.length > MOST_BUFFERS)
    throw new Error(`${name} binds ${bindings.length} buffers: the maximum is ${MOST_BUFFERS}`)
  const fields = Object.entries<WgslWord>(words).map(([word, type]) => `${word}: ${type}, `)
  const code = `struct Words { groups: u32, quietNan: u32, ${fields.join("")}}
@group(0) @binding(0) var<uniform> words: Words;
${bindings.map(([buffer, { element, writes }], i) => `@group(0) @binding(${i + 1}) var<storage, ${writes ? "read_write" : "read"}> ${buffer}: array<${element}>;`).join("\n")}
${PRELUDE}
${body}
@compute @workgroup_size(${workgroup})
fn main(@builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) local: u32) {
  let group = id.x + id.y * grid.x;
  if (group >= words.groups) { return; }
  kernel(group, local);
}
`
  return { name, code, body, workgroup, buffers, words }
}

const number = new Float32Array(1)
const bits = new Uint32Array(number.buffer)

/** A program's words in the order of their positions. */
export interface WordPlaces {
  readonly names: ReadonlyArray<string>
  /** whether each of them is f32 */
  readonly floats: ReadonlyArray<boolean>
}

/** Returns the positions of a program's words. */
export const wordPlaces = ({ words }: Program): WordPlaces => ({
  names: Object.keys(words),
  floats: Object.values(words).map((type) => type === "f32")
})

/** Writes the words of a dispatch. Returns false if one of them is not a number. */
export const writeWords = (
  { names, floats }: WordPlaces,
  values: Readonly<Record<string, number>>,
  groups: number,
  to: Uint32Array
): boolean => {
  to[0] = groups
  to[1] = QUIET_NAN
  for (let i = 0; i < names.length; i++) {
    const value = values[names[i]!]
    if (typeof value !== "number") return false
    if (floats[i]) {
      number[0] = value
      to[i + 2] = bits[0]!
    } else to[i + 2] = value
  }
  return true
}

/** Returns a function that creates each variant of a program at its first request and caches it. */
export const variants = <Key extends string, P>(make: (key: Key) => P): ((key: Key) => P) => {
  const made = new Map<Key, P>()
  return (key) => {
    const known = made.get(key)
    if (known !== undefined) return known
    const it = make(key)
    made.set(key, it)
    return it
  }
}
