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
import { type ColumnKernel, type ExpressionKernel, labelOf } from "../src/kernels/expression/declared.ts"
import { type Expression, filled, type Operation } from "../src/kernels/expression/expression.ts"
import { type Pass, perNumber } from "../src/kernels/expression/rows.ts"
import {
  buffersOf,
  indented,
  isPlaced,
  type Language,
  type Memory,
  Names,
  named,
  passLines,
  rowLines,
  sortedExpressions,
  spanBuffers,
  spanLines
} from "./expression-text.ts"

const HEAD = `import * as Declared from "./declared"
import { exp } from "./exp"
import { BLOCK, blocksOf } from "./lists"
import { addLanes, floats, high, loadPart, loadUpTo, low, madd, storePart, storeUpTo, total, total64 } from "./vectors"
`

const splat = (type: Expression["type"], value: string): string =>
  ({ f32: `f32x4.splat(${value})`, u32: `i32x4.splat(${value})`, f64: `<f64>${value}`, bool: value })[type]

const language: Language = {
  leaves: {
    constant: ({ type, value }) => splat(type, `${type === "u32" ? value! | 0 : value}`),
    word: ({ type, name }) => splat(type, name!),
    scalar: ({ type, name }) => splat(type, name!),
    row: ({ name }) => `v128.load32_splat(own.${name} + floats(i))`,
    count: ({ type }) => splat(type, type === "f64" ? "n" : "<f32>n"),
    place: () => "place",
    buffer: ({ name }) => name!,
    column: ({ name }) => name!
  },
  form: ({ forms }, operands) => filled(forms.assembly, operands),
  constant: (_, name, value) => `const ${name} = ${value}`
}

/** Four numbers, those at the pointer + `offset`, and `rest` of them. */
const whole = (offset?: number): Memory => {
  const at = offset === undefined ? "" : `, ${offset}`
  return {
    load: (pointer) => `v128.load(${pointer}${at})`,
    store: (pointer, value) => `v128.store(${pointer}, ${value}${at})`
  }
}
const part: Memory = {
  load: (pointer) => `loadPart(${pointer}, rest)`,
  store: (pointer, value) => `storePart(${pointer}, ${value}, rest)`
}

/** The function over a span. */
const spanOf = (own: ExpressionKernel): string => {
  const { kernel, words, outputs } = own
  const reads = named(own, "buffer")
  const pointers = spanBuffers(own)
  const placed = isPlaced(own)
  const { before, loads, each } = spanLines(own, new Names(language))
  const parameters = [
    ...pointers.map((name) => `${name}: usize`),
    "count: i32",
    ...(placed ? ["from: i32"] : []),
    ...named(own, "scalar").map((name) => `${name}: f32`),
    ...Object.entries(words).map(([name, type]) => `${name}: ${type === "u32" ? "i32" : type}`)
  ]
  const loop = [
    ...loads(whole().load),
    ...each(whole().store),
    ...pointers.map((name) => `${name} += 16`),
    ...(placed ? ["place = i32x4.add(place, i32x4.splat(4))"] : [])
  ]
  const rest = [
    ...loads(part.load),
    "// a call, after which JavaScriptCore no longer has the loop's constants in registers that the loop lacks: geluTanh took a fifth longer",
    `memory.fill(${Object.keys(outputs)[0]}, 0, floats(rest))`,
    ...each(part.store)
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
  const pointers = spanBuffers(own).map((name) => `${of}.${name} + at`)
  const scalars = named(own, "scalar").map((name) => `load<f32>(own.${name})`)
  const words = Object.keys(own.words).map((name) => `own.${name}`)
  return `${own.kernel.name}Span(${[...pointers, count, ...(isPlaced(own) ? [from] : []), ...scalars, ...words].join(", ")})`
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

/** How each kind of sum over a row in float32 is accumulated, of the names of its operands. */
const SUMS = {
  terms: { plus: (sum: string, [a]: ReadonlyArray<string>) => `f32x4.add(${sum}, ${a})`, term: "$0" },
  products: {
    plus: (sum: string, [a, b]: ReadonlyArray<string>) => `madd(${a}, ${b}, ${sum})`,
    term: "f32x4.mul($0, $1)"
  }
} as const satisfies Record<Exclude<Operation["overRow"], "wideProducts" | undefined>, unknown>

/** Where the row begins in each of them, and where whole groups of this many numbers end. */
const pointersOf = (own: ExpressionKernel, pass: Pass, numbers: number): ReadonlyArray<string> => {
  const buffers = buffersOf(pass)
  return [
    ...buffers.map((name) => `let ${name} = own.${name}${own.reads[name] === "column" ? "" : " + at"}`),
    `const whole = ${buffers[0]} + floats(n & ~${numbers - 1})`
  ]
}

const advanced = (pass: Pass, bytes: number) => buffersOf(pass).map((name) => `${name} += ${bytes}`)

/** Sums in float32: eight numbers at a time in two chains, then what is left one after the other. */
const floatPass = (own: ExpressionKernel, names: Names, pass: Pass): ReadonlyArray<string> => {
  const { sums } = pass
  const of = (sum: Operation) => SUMS[sum.overRow as keyof typeof SUMS]
  const chain = (letter: "a" | "b", offset: number) => [
    ...passLines(names, pass, whole(offset)),
    ...sums.map(
      (sum) => `${names.of(sum)}${letter} = ${of(sum).plus(`${names.of(sum)}${letter}`, names.all(sum.operands))}`
    )
  ]
  const left = [
    ...passLines(names, pass, {
      load: (pointer) => `loadUpTo(${pointer}, left)`,
      store: (pointer, value) => `storeUpTo(${pointer}, ${value}, left)`
    }),
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
    indented([...passLines(names, pass, whole()), ...added, ...advanced(pass, 16)], 2),
    "  }",
    "  if (rest !== 0) {",
    indented([...passLines(names, pass, part), ...added], 2),
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
  indented([...passLines(names, pass, whole()), ...advanced(pass, 16)], 1),
  "}",
  "if (rest === 0) continue",
  ...passLines(names, pass, part)
]

const overRows = (own: ExpressionKernel): string => {
  const names = new Names(language)
  const lines = rowLines(own, names, {
    narrow: (pass) => floatPass(own, names, pass),
    wide: (pass) => doublePass(own, names, pass),
    last: (pass) => lastPass(own, names, pass)
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
${indented(lines, 2)}
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

/** The module `./expressions`. */
export const expressions = (): string => {
  const { kernels, columns } = sortedExpressions()
  const texts = [...kernels.map(printed), ...columns.map(overColumns)]
  return [HEAD, ...texts].join("\n")
}
