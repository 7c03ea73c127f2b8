/**
 * Prints kernels made of expressions (`src/kernels/expression/`) as AssemblyScript: the module `./expressions`. `bun run assembly --print`
 * shows it.
 *
 * A kernel over tensors or lists is a function over a span of numbers, four at a time, and its entry, which finds the spans of a chunk:
 *
 *   adamSpan(g, m, v, u, first, second, count, b1, b2, c, e)     kernels that are written by hand may call it
 *   adam(args, chunk, scratch)
 *
 * A kernel over rows goes through each of its rows several times: a row stays in the first cache.
 *
 * All of a place is read before any of it is written: what is written may lie where something read lies.
 */
import {
  type ColumnKernel,
  declaredExpressions,
  type ExpressionKernel,
  labelOf
} from "../src/kernels/expression/declared.ts"
import { type Expression, filled, type Leaf, type Operation, ordered } from "../src/kernels/expression/expression.ts"
import { type Pass, passesOf, perNumber } from "../src/kernels/expression/rows.ts"

const HEAD = `import * as Declared from "./declared"
import { exp } from "./exp"
import { BLOCK, blocksOf } from "./lists"
import { addLanes, floats, high, loadPart, loadUpTo, low, madd, storePart, storeUpTo, total, total64 } from "./vectors"
`

const splat = (type: Expression["type"], value: string): string =>
  ({ f32: `f32x4.splat(${value})`, u32: `i32x4.splat(${value})`, f64: `<f64>${value}`, bool: value })[type]

/** What is computed once, before the loop, and the names of all that is computed. */
const LEAVES = {
  constant: ({ type, value }) => splat(type, `${type === "u32" ? value! | 0 : value}`),
  word: ({ type, name }) => splat(type, name!),
  scalar: ({ type, name }) => splat(type, name!),
  row: ({ name }) => `v128.load32_splat(own.${name} + floats(i))`,
  count: ({ type }) => splat(type, type === "f64" ? "n" : "<f32>n"),
  place: () => "place",
  buffer: ({ name }) => name!,
  column: ({ name }) => name!
} as const satisfies Record<Leaf["leaf"], (leaf: Leaf) => string>

class Names {
  private readonly names = new Map<Expression, string>()

  of(expression: Expression): string {
    if ("leaf" in expression && (expression.leaf === "constant" || expression.leaf === "place"))
      return LEAVES[expression.leaf](expression)
    const name = this.names.get(expression) ?? `value${this.names.size}`
    this.names.set(expression, name)
    return name
  }

  line(own: Operation | Leaf): string {
    const value = "leaf" in own ? LEAVES[own.leaf](own) : filled(own.forms.assembly, this.all(own.operands))
    return `const ${this.of(own)} = ${value}`
  }

  all(operands: ReadonlyArray<Expression>): ReadonlyArray<string> {
    return operands.map((own) => this.of(own))
  }
}

const indented = (lines: ReadonlyArray<string>, depth: number): string =>
  lines.map((line) => line.replace(/^/gm, "  ".repeat(depth))).join("\n")

/** Leaves that are read for each number, and those that are computed once and named. */
const isRead = ({ leaf }: Leaf) => leaf === "buffer" || leaf === "column"
const isNamed = (own: Leaf) => !isRead(own) && own.leaf !== "constant" && own.leaf !== "place"

const named = ({ reads }: ExpressionKernel, from: string): ReadonlyArray<string> =>
  Object.keys(reads).filter((name) => reads[name] === from)

/** The function over a span. */
const spanOf = (own: ExpressionKernel): string => {
  const { kernel, words, outputs } = own
  const { leaves, operations } = ordered(Object.values(outputs))
  const reads = named(own, "buffer")
  const pointers = [...reads, ...Object.keys(outputs)]
  const placed = leaves.some(({ leaf }) => leaf === "place")
  const names = new Names()
  const same = new Set<Expression>(leaves.filter((leaf) => !isRead(leaf) && leaf.leaf !== "place"))
  const once = operations.filter((operation) => {
    const uniform = operation.operands.every((operand) => same.has(operand))
    if (uniform) same.add(operation)
    return uniform
  })
  const before = [...leaves.filter(isNamed), ...once].map((it) => names.line(it))
  const loads = (load: (pointer: string) => string) =>
    leaves.filter(isRead).map((leaf) => `const ${names.of(leaf)} = ${load(leaf.name!)}`)
  /** A value is stored as soon as it is there. */
  const each = (store: (pointer: string, value: string) => string) =>
    operations
      .filter((operation) => !same.has(operation))
      .flatMap((operation) => [
        names.line(operation),
        ...Object.entries(outputs)
          .filter(([, output]) => output === operation)
          .map(([name]) => store(name, names.of(operation)))
      ])
  const parameters = [
    ...pointers.map((name) => `${name}: usize`),
    "count: i32",
    ...(placed ? ["from: i32"] : []),
    ...named(own, "scalar").map((name) => `${name}: f32`),
    ...Object.entries(words).map(([name, type]) => `${name}: ${type === "u32" ? "i32" : type}`)
  ]
  const loop = [
    ...loads((pointer) => `v128.load(${pointer})`),
    ...each((pointer, value) => `v128.store(${pointer}, ${value})`),
    ...pointers.map((name) => `${name} += 16`),
    ...(placed ? ["place = i32x4.add(place, i32x4.splat(4))"] : [])
  ]
  const rest = [
    ...loads((pointer) => `loadPart(${pointer}, rest)`),
    "// a call, after which JavaScriptCore no longer has the loop's constants in registers that the loop lacks: geluTanh took a fifth longer",
    `memory.fill(${Object.keys(outputs)[0]}, 0, floats(rest))`,
    ...each((pointer, value) => `storePart(${pointer}, ${value}, rest)`)
  ]
  return `export function ${kernel.name}Span(${parameters.join(", ")}): void {
${indented([...(placed ? ["let place = i32x4.add(i32x4.splat(from), i32x4(0, 1, 2, 3))"] : []), ...before], 1)}
  const end = ${reads[0]} + floats(count & ~3)
  while (${reads[0]} < end) {
${indented(loop, 2)}
  }
  const rest = count & 3
  if (rest === 0) return
${indented(rest, 1)}
}
`
}

const head = (own: ExpressionKernel | ColumnKernel): string =>
  `export function ${own.kernel.name}(args: usize, chunk: i32, _scratch: usize): void {
  const own = changetype<Declared.${labelOf(own)}>(args)
  const first = chunk * own.perChunk
`

/** The call of a span from its entry. */
const callOf = (own: ExpressionKernel, of: string, count: string, from: string): string => {
  const placed = ordered(Object.values(own.outputs)).leaves.some(({ leaf }) => leaf === "place")
  const pointers = [...named(own, "buffer"), ...Object.keys(own.outputs)].map((name) => `${of}.${name} + at`)
  const scalars = named(own, "scalar").map((name) => `load<f32>(own.${name})`)
  const words = Object.keys(own.words).map((name) => `own.${name}`)
  return `${own.kernel.name}Span(${[...pointers, count, ...(placed ? [from] : []), ...scalars, ...words].join(", ")})`
}

const overTensors = (own: ExpressionKernel): string => `${spanOf(own)}
${head(own)}  const at = floats(first)
  ${callOf(own, "own", "min(own.perChunk, own.size - first)", "first")}
}
`

const overLists = (own: ExpressionKernel): string => `${spanOf(own)}
${head(own)}  const end = first + own.perChunk
  let block = 0
  for (let i = 0; i < own.entries; i++) {
    const one = own.entry(i)
    const blocks = blocksOf(one.size)
    const from = max(first - block, 0) * BLOCK
    const to = min(min(end - block, blocks) * BLOCK, one.size)
    const at = floats(from)
    if (from < to) ${callOf(own, "one", "to - from", "from")}
    block += blocks
  }
}
`

/** How each kind of sum over a row is accumulated, of the names of its operands. */
const SUMS = {
  terms: { wide: false, plus: (sum: string, [a]: ReadonlyArray<string>) => `f32x4.add(${sum}, ${a})`, term: "$0" },
  products: {
    wide: false,
    plus: (sum: string, [a, b]: ReadonlyArray<string>) => `madd(${a}, ${b}, ${sum})`,
    term: "f32x4.mul($0, $1)"
  },
  wideProducts: { wide: true, plus: () => "", term: "" }
} as const satisfies Record<NonNullable<Operation["overRow"]>, unknown>

/** Buffers of a pass. */
const buffersOf = ({ loads, stores }: Pass): ReadonlyArray<string> => [
  ...new Set([...loads, ...stores].map(([buffer]) => buffer))
]

/** Where the row begins in each of them, and where whole groups of this many numbers end. */
const pointersOf = (own: ExpressionKernel, pass: Pass, numbers: number): ReadonlyArray<string> => {
  const buffers = buffersOf(pass)
  return [
    ...buffers.map((name) => `let ${name} = own.${name}${own.reads[name] === "column" ? "" : " + at"}`),
    `const whole = ${buffers[0]} + floats(n & ~${numbers - 1})`
  ]
}

/** What is done for four numbers, without the sums. */
const fourOf = (
  names: Names,
  { loads, each, stores }: Pass,
  load: (pointer: string) => string,
  store: (pointer: string, value: string) => string
): ReadonlyArray<string> => [
  ...loads.map(([buffer, own]) => `const ${names.of(own)} = ${load(buffer)}`),
  ...each.map((own) => names.line(own)),
  ...stores.map(([buffer, own]) => store(buffer, names.of(own)))
]

const whole = [
  (pointer: string) => `v128.load(${pointer})`,
  (pointer: string, value: string) => `v128.store(${pointer}, ${value})`
] as const
const part = [
  (pointer: string) => `loadPart(${pointer}, rest)`,
  (pointer: string, value: string) => `storePart(${pointer}, ${value}, rest)`
] as const

const advanced = (pass: Pass, bytes: number) => buffersOf(pass).map((name) => `${name} += ${bytes}`)

/** Sums in float32: eight numbers at a time in two chains, then what is left one after the other. */
const floatPass = (own: ExpressionKernel, names: Names, pass: Pass): ReadonlyArray<string> => {
  const { sums } = pass
  const of = (sum: Operation) => SUMS[sum.overRow!]
  const chain = (letter: "a" | "b", offset: number) => [
    ...fourOf(
      names,
      pass,
      (pointer) => `v128.load(${pointer}, ${offset})`,
      (pointer, value) => `v128.store(${pointer}, ${value}, ${offset})`
    ),
    ...sums.map(
      (sum) => `${names.of(sum)}${letter} = ${of(sum).plus(`${names.of(sum)}${letter}`, names.all(sum.operands))}`
    )
  ]
  const left = [
    ...fourOf(
      names,
      pass,
      (pointer) => `loadUpTo(${pointer}, left)`,
      (pointer, value) => `storeUpTo(${pointer}, ${value}, left)`
    ),
    ...sums.map((sum) => {
      const name = `${names.of(sum)}s`
      return `${name} = addLanes(${name}, ${filled(of(sum).term, names.all(sum.operands))}, left)`
    }),
    ...advanced(pass, 16)
  ]
  return [
    ...sums.flatMap((sum) => ["a", "b"].map((letter) => `let ${names.of(sum)}${letter} = f32x4.splat(0)`)),
    ...sums.map((sum) => `let ${names.of(sum)}: v128`),
    "{",
    indented(pointersOf(own, pass, 8), 1),
    `  while (${buffersOf(pass)[0]} < whole) {`,
    ...[chain("a", 0), chain("b", 16)].map((lines) => `    {\n${indented(lines, 3)}\n    }`),
    indented(advanced(pass, 32), 2),
    "  }",
    ...sums.map((sum) => `  let ${names.of(sum)}s = total(f32x4.add(${names.of(sum)}a, ${names.of(sum)}b))`),
    "  for (let left = n & 7; left > 0; left -= 4) {",
    indented(left, 2),
    "  }",
    ...sums.map((sum) => `  ${names.of(sum)} = f32x4.splat(${names.of(sum)}s)`),
    "}"
  ]
}

/** Sums in float64, of products in float64: four numbers at a time in two chains. */
const doublePass = (own: ExpressionKernel, names: Names, pass: Pass): ReadonlyArray<string> => {
  const { sums } = pass
  const added = sums.flatMap((sum) => {
    const [a, b] = names.all(sum.operands)
    return ["low", "high"].map((half) => {
      const name = `${names.of(sum)}${half}`
      return `${name} = f64x2.add(${name}, f64x2.mul(${half}(${a}), ${half}(${b})))`
    })
  })
  return [
    ...sums.flatMap((sum) => ["low", "high"].map((half) => `let ${names.of(sum)}${half} = f64x2.splat(0)`)),
    "{",
    indented(pointersOf(own, pass, 4), 1),
    `  while (${buffersOf(pass)[0]} < whole) {`,
    indented([...fourOf(names, pass, ...whole), ...added, ...advanced(pass, 16)], 2),
    "  }",
    "  if (rest !== 0) {",
    indented([...fourOf(names, pass, ...part), ...added], 2),
    "  }",
    "}",
    ...sums.map((sum) => `const ${names.of(sum)} = total64(${names.of(sum)}low, ${names.of(sum)}high)`)
  ]
}

/** The last pass, without sums. */
const lastPass = (own: ExpressionKernel, names: Names, pass: Pass): ReadonlyArray<string> => [
  ...Object.entries(own.outputs)
    .filter(([, output]) => !perNumber(output))
    .map(([name, output]) => `store<f32>(own.${name} + floats(i), f32x4.extract_lane(${names.of(output)}, 0))`),
  ...pointersOf(own, pass, 4),
  `while (${buffersOf(pass)[0]} < whole) {`,
  indented([...fourOf(names, pass, ...whole), ...advanced(pass, 16)], 1),
  "}",
  "if (rest === 0) continue",
  ...fourOf(names, pass, ...part)
]

const overRows = (own: ExpressionKernel): string => {
  const names = new Names()
  const { leaves } = ordered(Object.values(own.outputs))
  const lines = passesOf(own.outputs).flatMap((pass) => {
    const wide = pass.sums.filter((sum) => SUMS[sum.overRow!].wide).length
    if (wide !== 0 && wide !== pass.sums.length)
      throw new Error(`${own.kernel.name}: float32 and float64 sums in one pass`)
    const print = pass.sums.length === 0 ? lastPass : wide === 0 ? floatPass : doublePass
    return [...pass.before.map((it) => names.line(it)), ...print(own, names, pass)]
  })
  return `${head(own)}  const n = own.n
  const rest = n & 3
  const last = min(first + own.perChunk, own.rows)
${indented(
  Object.keys(own.words).map((name) => `const ${name} = own.${name}`),
  1
)}
  for (let i = first; i < last; i++) {
    const at = floats(n) * <usize>i
${indented([...leaves.filter(isNamed).map((leaf) => names.line(leaf)), ...lines], 2)}
  }
}
`
}

/** Of eight columns. */
const PAIRS = [0, 1, 2, 3] as const

/** Σ over the rows: eight columns at a time, then one. */
const overColumns = (own: ColumnKernel): string => {
  const factors = Object.entries(own.factors)
  const product = (of: (name: string, row: boolean) => string, times: (a: string, b: string) => string): string =>
    factors.map(([name, from]) => of(name, from === "row")).reduceRight((rest, factor) => times(factor, rest))
  const advance = factors.map(([name, from]) => `${name} += ${from === "row" ? 4 : "stride"}`)
  const pointers = factors.map(([name, from]) => `let ${name} = own.${name}${from === "row" ? "" : " + at"}`)
  return `${head(own)}  const n = own.n
  const stride = floats(n)
  const last = min(first + own.perChunk, n)
  let column = first
  for (; column <= last - 8; column += 8) {
    const at = floats(column)
${indented([...pointers, ...PAIRS.map((pair) => `let sum${pair} = f64x2.splat(0)`)], 2)}
    for (let row = 0; row < own.rows; row++) {
${indented(
  [
    ...factors.flatMap(([name, from]) =>
      from === "row"
        ? [`const ${name}Value = f64x2.splat(<f64>load<f32>(${name}))`]
        : [0, 1].map((four) => `const ${name}Value${four} = v128.load(${name}, ${16 * four})`)
    ),
    ...PAIRS.map((pair) => {
      const half = pair % 2 === 0 ? "low" : "high"
      const term = product(
        (name, row) => (row ? `${name}Value` : `${half}(${name}Value${pair >> 1})`),
        (a, b) => `f64x2.mul(${a}, ${b})`
      )
      return `sum${pair} = f64x2.add(sum${pair}, ${term})`
    }),
    ...advance
  ],
  3
)}
    }
${indented(
  PAIRS.map((pair) => `v128.store64_lane(own.out + at, f32x4.demote_f64x2_zero(sum${pair}), 0, ${8 * pair})`),
  2
)}
  }
  for (; column < last; column++) {
    const at = floats(column)
${indented(pointers, 2)}
    let all: f64 = 0
    for (let row = 0; row < own.rows; row++) {
${indented(
  [
    `all += ${product(
      (name) => `<f64>load<f32>(${name})`,
      (a, b) => `(${a} * ${b})`
    )}`,
    ...advance
  ],
  3
)}
    }
    store<f32>(own.out + at, <f32>all)
  }
}
`
}

const PRINTERS = { tensors: overTensors, lists: overLists, rows: overRows } as const satisfies Record<
  ExpressionKernel["over"],
  (own: ExpressionKernel) => string
>

/** The text of one kernel. */
export const printed = (own: ExpressionKernel): string => PRINTERS[own.over](own)

/** Whatever order the modules were loaded in. */
const sorted = <T extends ColumnKernel | ExpressionKernel>(kernels: ReadonlyArray<T>): ReadonlyArray<T> =>
  kernels.toSorted((a, b) => (a.kernel.name < b.kernel.name ? -1 : 1))

/** The module `./expressions`. */
export const expressions = (): string => {
  const { kernels, columns } = declaredExpressions
  const texts = [...sorted(kernels).map(printed), ...sorted(columns).map(overColumns)]
  return [HEAD, ...texts].join("\n")
}
