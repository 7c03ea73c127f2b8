/**
 * What the programs of a product share (`product-tiles.ts`, `product-direct.ts`): bindings, loads and stores. Operands
 * are read in blocks of four by four numbers, so that a program is the same whatever is transposed, packed or not a
 * multiple of four.
 */
import type { Packing } from "../../numbers/index.ts"
import { read, write } from "../declaration.ts"
import { dequantizing, readsScales } from "./dequantize.ts"
import { functionOfFours } from "./expression.ts"
import type { Declaration, Program } from "./program.ts"

/** Layout of a product's operands. `nt`: A [m, k]·B [n, k]ᵀ. `nn`: A [m, k]·B [k, n]. `tn`: A [k, m]ᵀ·B [k, n]. `tt`: A [k, m]ᵀ·B [n, k]ᵀ. */
export type Kind = "nt" | "nn" | "tn" | "tt"

/**
 * Binding of an operand: as vec4f if the row length is a multiple of 4, otherwise as f32, or as the words of a packed
 * weight.
 */
export type Storage = "vec4f" | "f32" | Packing

/** Two factors whose product is summed over one inner dimension. */
export interface Pair {
  readonly a: Storage
  readonly b: Storage
}

/** Variant of a product's programs. */
export interface Form {
  readonly kind: Kind
  readonly pair: Pair
  readonly second: Pair | null
  /** whether C is the sum over the matrices of a batch, a single matrix */
  readonly summed: boolean
  /** whether the inner dimension is divided into parts, each with its own C (`product-parts.ts`); without a second pair */
  readonly parts: boolean
  readonly bias: boolean
  /** whether a matrix of C's shape is added */
  readonly plus: boolean
  /** elementwise kernel applied to C, whose derivative there is written too; null: none */
  readonly activation: string | null
  /** element type of C and the bias: "vec4f" if the length of C's rows is a multiple of four */
  readonly out: "vec4f" | "f32"
}

const isPacked = (storage: Storage): storage is Packing => storage !== "vec4f" && storage !== "f32"

const elementOf = (storage: Storage): string => (isPacked(storage) ? "u32" : storage)

/** Returns 0, 1, … n − 1. */
export const range = (n: number): ReadonlyArray<number> => Array.from({ length: n }, (_, i) => i)

/** Returns a line of WGSL for each of 0, 1, … n − 1. */
export const lines = (n: number, line: (i: number) => string): string => range(n).map(line).join("\n")

/** Words for the distance between matrices of a batch, in values, of each operand. */
export const STRIDE_WORDS = {
  aBatch: "u32",
  bBatch: "u32",
  a2Batch: "u32",
  b2Batch: "u32",
  biasBatch: "u32",
  cBatch: "u32"
} as const

/** Distances between matrices of a batch, by operand. */
export type Strides = Readonly<Record<keyof typeof STRIDE_WORDS, number>>

/** `scale` is the second pair's if there is one, and C's otherwise. `matrices`: of the batch. */
const WORDS = { m: "u32", n: "u32", k: "u32", k2: "u32", scale: "f32", matrices: "u32", ...STRIDE_WORDS } as const

/** Words of a product's program. */
export type Words = keyof typeof WORDS

/** Of a product in parts: how much of the inner dimension each has. */
const PART_WORDS = { ...WORDS, partLength: "u32" } as const

/** Returns the declaration of a product's program, without its body and workgroup size. */
export const declarationOf = ({
  kind,
  pair,
  second,
  parts,
  bias,
  plus,
  activation,
  out
}: Form): Omit<Declaration<string, Words>, "workgroup" | "body"> => ({
  name: activation === null ? nameOf(kind, pair.b) : `${nameOf(kind, pair.b)} ${activation}`,
  buffers: {
    a: read(elementOf(pair.a)),
    b: read(elementOf(pair.b)),
    ...(isPacked(pair.b) && readsScales(pair.b) ? { scales: read("f32") } : {}),
    ...(second === null ? {} : { a2: read(elementOf(second.a)), b2: read(elementOf(second.b)) }),
    ...(bias ? { bias: read(out) } : {}),
    ...(plus ? { plus: read(out) } : {}),
    c: write(out),
    ...(activation === null ? {} : { derivative: write(out) })
  },
  words: parts ? PART_WORDS : WORDS
})

const nameOf = (kind: Kind, b: Storage): string => (isPacked(b) ? `Product ${kind} ${b}` : `Product ${kind}`)

/**
 * Returns a function that creates a program per variant and caches it. The key consists of values only: a step requests about two hundred
 * programs.
 */
export const programsOf = <Own extends Form>(
  make: (form: Own) => Program<string, Words>
): ((form: Own) => Program<string, Words>) => {
  const made = new Map<string, Program<string, Words>>()
  return (form) => {
    const { kind, pair, second, summed, parts, bias, plus, activation, out, ...rest } = form
    let key = `${kind}${pair.a}${pair.b}${second?.a}${second?.b}${summed}${parts}${bias}${plus}${activation}${out}`
    for (const name in rest) key += `,${rest[name as keyof typeof rest]}`
    const known = made.get(key)
    if (known !== undefined) return known
    const it = make(form)
    made.set(key, it)
    return it
  }
}

interface Operand {
  readonly buffer: string
  /** the word that holds the inner dimension, and the one that holds the length of a row */
  readonly k: string
  readonly length: string
  readonly storage: Storage
  /** Do rows run along the inner dimension, or across it? */
  readonly along: boolean
}

/** Four numbers of a row, from `column` on, which is a multiple of four. */
const four = ({ buffer, length, storage }: Operand, row: string): string => {
  const first = `at + ${row} * words.${length} + column`
  if (storage === "vec4f") return `${buffer}[(${first}) / 4u]`
  if (storage === "f32") return `vec4f(${range(4).map((i) => `${buffer}[${first} + ${i}u]`)})`
  return `${buffer}Dequantized(${row}, column)`
}

/** For packed operands, which are no batch. */
const dequantizingOf = ({ buffer, length, storage }: Operand): string =>
  isPacked(storage) ? dequantizing(storage, `${buffer}Dequantized`, buffer, `words.${length}`) : ""

/**
 * `fn …Block(at, k, i)`: numbers (k … k + 3, i … i + 3) of the matrix that begins at `at`, a column for each k, and 0
 * from the end of the inner dimension on. k and i are multiples of four, and k is inside. For an i that is not, the
 * block holds anything.
 */
const block = (operand: Operand): string => {
  const { buffer, k, storage, along } = operand
  const head = `${dequantizingOf(operand)}fn ${buffer}Block(at: u32, k: u32, i: u32) -> mat4x4f {`
  if (along) {
    const masked = storage !== "vec4f" // whose rows end with a four
    const row = (r: number) => {
      const numbers = four(operand, `(i + ${r}u)`)
      return masked ? `select(vec4f(), ${numbers}, inside)` : numbers
    }
    return `${head}
  let column = k;
  ${masked ? `let inside = vec4u(k, k + 1u, k + 2u, k + 3u) < vec4u(words.${k});` : ""}
  return transpose(mat4x4f(${range(4).map(row)}));
}
`
  }
  const row = (r: number) => `select(vec4f(), ${four(operand, `(k + ${r}u)`)}, k + ${r}u < words.${k})`
  return `${head}
  let column = i;
  return mat4x4f(${range(4).map(row)});
}
`
}

const blocksOfPair = (kind: Kind, { a, b }: Pair, mark: "" | "2"): string => {
  const k = `k${mark}`
  const [aAlong, bAlong] = [kind[0] === "n", kind[1] === "t"]
  return (
    block({ buffer: `a${mark}`, k, length: aAlong ? k : "m", storage: a, along: aAlong }) +
    block({ buffer: `b${mark}`, k, length: bAlong ? k : "n", storage: b, along: bAlong })
  )
}

/** `fn …(i, j, rows, columns, at, four)` writes what of four numbers is inside a matrix [rows, columns]. */
const putting = (name: string, buffer: string, out: Form["out"]): string => {
  const head = `fn ${name}(i: u32, j: u32, rows: u32, columns: u32, at: u32, four: vec4f)`
  if (out === "vec4f")
    return `${head} {
  if (i < rows && j < columns) { ${buffer}[(at + i * columns + j) / 4u] = four; }
}
`
  return `${head} {
  if (i >= rows) { return; }
  let to = at + i * columns + j;
${lines(4, (l) => `  if (j + ${l}u < columns) { ${buffer}[to + ${l}u] = four[${l}]; }`)}
}
`
}

/** `fn …At(j)`: four numbers of what is added to C. */
const fourAt = (buffer: "bias" | "plus", out: Form["out"]): string => {
  const numbers = out === "vec4f" ? `${buffer}[j / 4u]` : `vec4f(${range(4).map((i) => `${buffer}[j + ${i}u]`)})`
  return `fn ${buffer}At(j: u32) -> vec4f { return ${numbers}; }
`
}

/** Returns the functions that a program's body calls. */
export const functionsOf = ({ kind, pair, second, bias, plus, activation, out }: Form): string =>
  blocksOfPair(kind, pair, "") +
  (second === null ? "" : blocksOfPair(kind, second, "2")) +
  putting("put", "c", out) +
  (activation === null
    ? ""
    : `${functionOfFours(activation, "activated")}${putting("putDerivative", "derivative", out)}`) +
  (bias ? fourAt("bias", out) : "") +
  (plus ? fourAt("plus", out) : "")

/**
 * Returns WGSL for the start of a workgroup's matrix C, which contains tile number `tile`; `tiles` are those of one C. For a product in parts,
 * the Cs of each part are consecutive, and cover `first` to `end` of the inner dimension.
 */
export const whereOf = ({ summed, parts }: Form, tiles: string): string =>
  parts
    ? `
  let whole = group / (${tiles});
  let tile = group % (${tiles});
  let matrix = whole % words.matrices;
  let first = (whole / words.matrices) * words.partLength;
  let end = min(words.k, first + words.partLength);
  let cAt = whole * words.m * words.n;`
    : `
  let matrix = ${summed ? "0u" : `group / (${tiles})`};
  let tile = group % (${tiles});
  let cAt = matrix * words.cBatch;`

/** Returns the range of the inner dimension that a workgroup sums over. */
export const rangeOf = ({ parts }: Form, mark: "" | "2"): readonly [first: string, end: string] =>
  parts ? ["first", "end"] : ["0u", `words.k${mark}`]

/** Returns the values of row `row` of C from the sums `c${r}`, four columns from j. */
export const finished = ({ second, bias, plus }: Form, r: number, row: string): string =>
  `c${r}${second === null ? " * words.scale" : ""}${bias ? " + biasAt(matrix * words.biasBatch + j)" : ""}${plus ? ` + plusAt((${row}) * words.n + j)` : ""}`

/** Returns WGSL that writes row `row` of C and, with an activation, its derivative there. */
export const writeRow = (form: Form, r: number, row: string): string => {
  const where = `${row}, j, words.m, words.n, cAt`
  if (form.activation === null) return `  put(${where}, ${finished(form, r, row)});`
  return `  let a${r} = activated(${finished(form, r, row)});
  put(${where}, a${r}[0]);
  putDerivative(${where}, a${r}[1]);`
}

/**
 * Returns WGSL for the sums of both pairs in the accumulators `c0`, `c1`, …: the second pair first, so that its factor costs one multiplication
 * per value. `sumOf`: for one matrix, whose A begins at `aAt` and B at `bAt`.
 */
export const sums = ({ second, summed }: Form, rows: number, sumOf: (mark: "" | "2") => string): string => {
  const over = (mark: "" | "2") => `
  ${summed ? "for (var matrix = 0u; matrix < words.matrices; matrix++) " : ""}{
    let aAt = matrix * words.a${mark}Batch;
    let bAt = matrix * words.b${mark}Batch;
    ${sumOf(mark)}
  }`
  return second === null ? over("") : `${over("2")}\n${lines(rows, (r) => `  c${r} *= words.scale;`)}\n${over("")}`
}
