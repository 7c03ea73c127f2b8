/**
 * Prints kernels made of expressions (`src/kernels/expression/`) as C, which `native.ts` compiles beside `src/kernels/native/c`. `bun run
 * native --print` shows it.
 *
 *   expressions.h    a function over a span of numbers for each kernel over tensors or lists; kernels that are written by hand may call it
 *   expressions.c    the kernels
 *
 * All of a place is read before any of it is written: what is written may lie where something read lies.
 */
import { type ColumnKernel, type ExpressionKernel, labelOf, type Reads } from "../src/kernels/expression/declared.ts"
import { type Expression, filled, type Operation } from "../src/kernels/expression/expression.ts"
import { type Pass, perNumber } from "../src/kernels/expression/rows.ts"
import {
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

const TYPES = { f32: "vec", u32: "uvec", bool: "ivec", f64: "double" } as const satisfies Record<
  Expression["type"],
  string
>
const SCALARS = { f32: "float", u32: "uint32_t", f64: "double" } as const

const splat = (type: Expression["type"], value: string): string =>
  ({ f32: `splat(${value})`, u32: `splat_word(${value})`, f64: value, bool: value })[type]

/** Operations that C does not write as WGSL does, by what they are in AssemblyScript. */
const IN_C: Readonly<Record<string, string>> = {
  "f32x4.abs($0)": "magnitude($0)",
  "f32x4.sqrt($0)": "root($0)",
  "f32x4.pmax($0, f32x4.splat(0))": "pmax($0, splat(0))",
  "exp($0)": "exponential($0)",
  "f32x4.sub(f32x4.splat(1), $0)": "(splat(1) - $0)",
  "v128.and($1, $0)": "select(splat(0), $1, $0)",
  // what is said to a compiler of WGSL alone
  $0: "$0",
  "v128.xor($0, i32x4.shr_u($0, 16))": "($0 ^ ($0 >> 16))",
  "<f64>f32x4.extract_lane($0, 0)": "((double)($0)[0])",
  "f32x4.splat(<f32>($0))": "splat((float)$0)",
  "max<f64>($0, 0)": "($0 < 0 ? 0 : $0)",
  "Math.sqrt($0)": "__builtin_sqrt($0)"
}

/** An operation, or of a sum over a row its term. */
const inC = ({ forms }: Operation, operands: ReadonlyArray<string>): string =>
  filled(IN_C[forms.assembly] ?? forms.wgsl, operands)

const language: Language = {
  leaves: {
    constant: ({ type, value }) =>
      splat(type, type === "u32" ? `${value! >>> 0}u` : Number.isInteger(value) ? `${value}.0` : `${value}`),
    word: ({ type, name }) => splat(type, name!),
    scalar: ({ type, name }) => splat(type, name!),
    row: ({ name }) => `splat(*${name})`,
    count: ({ type }) => splat(type, "n"),
    place: () => "place",
    buffer: ({ name }) => name!,
    column: ({ name }) => name!
  },
  form: inC,
  constant: ({ type }, name, value) => `const ${TYPES[type]} ${name} = ${value};`
}

/** A whole vector at this offset, and `rest` numbers. */
const whole = (at: string): Memory => ({
  load: (buffer) => `load(${buffer} + ${at})`,
  store: (buffer, value) => `store(${buffer} + ${at}, ${value});`
})
const part: Memory = {
  load: (buffer) => `load_part(${buffer} + i, rest)`,
  store: (buffer, value) => `store_part(${buffer} + i, ${value}, rest);`
}

const block = (lines: ReadonlyArray<string>): string => `{\n${indented(lines, 1)}\n}`

/** Whole vectors, `vectors` of them at a time, and then what is left: less than a vector. */
const loop = (count: string, lines: (memory: Memory) => ReadonlyArray<string>): ReadonlyArray<string> => [
  "int32_t i = 0;",
  `for (; i + W <= ${count}; i += W) ${block(lines(whole("i")))}`,
  `const int32_t rest = ${count} - i;`,
  `if (rest > 0) ${block(lines(part))}`
]

/** The function over a span. */
const spanOf = (own: ExpressionKernel): string => {
  const placed = isPlaced(own)
  const { before, loads, each } = spanLines(own, new Names(language))
  const parameters = [
    ...named(own, "buffer").map((name) => `const float *${name}`),
    ...Object.keys(own.outputs).map((name) => `float *${name}`),
    "int32_t count",
    ...(placed ? ["int32_t from"] : []),
    ...named(own, "scalar").map((name) => `float ${name}`),
    ...Object.entries(own.words).map(([name, type]) => `${SCALARS[type]} ${name}`)
  ]
  const lines = loop("count", ({ load, store }) => [
    ...(placed ? ["const uvec place = PLACES + splat_word(from + i);"] : []),
    ...loads(load),
    ...each(store)
  ])
  return `INLINE void ${own.kernel.name}_span(${parameters.join(", ")}) ${block([...before, ...lines])}\n`
}

const head = (own: ExpressionKernel | ColumnKernel): ReadonlyArray<string> => [
  `ARGUMENTS(${labelOf(own)});`,
  "const int32_t first = chunk * args->perChunk;"
]

const kernelOf = (own: ExpressionKernel | ColumnKernel, lines: ReadonlyArray<string>): string =>
  `KERNEL(${own.kernel.name}) ${block([...head(own), ...lines])}\n`

/** The call of a span from its kernel. */
const callOf = (own: ExpressionKernel, of: string, count: string, from: string): string => {
  const buffers = spanBuffers(own).map((name) => `FLOATS(${of}->${name}) + ${from}`)
  const scalars = named(own, "scalar").map((name) => `*FLOATS(args->${name})`)
  const words = Object.keys(own.words).map((name) => `args->${name}`)
  return `${own.kernel.name}_span(${[...buffers, count, ...(isPlaced(own) ? [from] : []), ...scalars, ...words].join(", ")});`
}

const overTensors = (own: ExpressionKernel): string =>
  kernelOf(own, [callOf(own, "args", "least(args->perChunk, args->size - first)", "first")])

const overLists = (own: ExpressionKernel): string =>
  kernelOf(own, [
    "const int32_t end = first + args->perChunk;",
    "int32_t before = 0;",
    `for (int32_t j = 0; j < args->entries; j++) ${block([
      `const ${labelOf(own)}Entry *one = entries_of_${labelOf(own)}(args) + j;`,
      "const int32_t blocks = blocks_of(one->size);",
      "const int32_t from = most(first - before, 0) * BLOCK, to = least(least(end - before, blocks) * BLOCK, one->size);",
      `if (from < to) ${callOf(own, "one", "to - from", "from")}`,
      "before += blocks;"
    ])}`
  ])

/** Sums in float32, in two chains: one would wait for each of its additions. */
const narrowPass = (names: Names, pass: Pass): ReadonlyArray<string> => {
  const { sums } = pass
  const term = (sum: (typeof sums)[number]) => inC(sum, names.all(sum.operands))
  const lines = (memory: Memory, chain: string, of: (term: string) => string) => [
    ...passLines(names, pass, memory),
    ...sums.map((sum) => `${names.of(sum)}${chain} += ${of(term(sum))};`)
  ]
  return [
    ...sums.map((sum) => `vec ${names.of(sum)}a = {}, ${names.of(sum)}b = {};`),
    block([
      "int32_t i = 0;",
      `for (; i + 2 * W <= n; i += 2 * W) ${block([
        block(lines(whole("i"), "a", (own) => own)),
        block(lines(whole("i + W"), "b", (own) => own))
      ])}`,
      `if (i + W <= n) ${block([...lines(whole("i"), "a", (own) => own), "i += W;"])}`,
      "const int32_t rest = n - i;",
      `if (rest > 0) ${block(lines(part, "b", (own) => `first_of(${own}, rest)`))}`
    ]),
    ...sums.map((sum) => names.constant(sum, `splat(total(${names.of(sum)}a + ${names.of(sum)}b))`))
  ]
}

/** Sums in float64, of products in float64. */
const widePass = (names: Names, pass: Pass): ReadonlyArray<string> => {
  const lines = (memory: Memory, of: (factor: string) => string) => [
    ...passLines(names, pass, memory),
    ...pass.sums.flatMap((sum) => {
      const [a, b] = names.all(sum.operands)
      return ["low", "high"].map((half) => `${names.of(sum)}${half} += ${half}(${of(a!)}) * ${half}(${b});`)
    })
  ]
  return [
    ...pass.sums.map((sum) => `dvec ${names.of(sum)}low = {}, ${names.of(sum)}high = {};`),
    block([
      "int32_t i = 0;",
      `for (; i + W <= n; i += W) ${block(lines(whole("i"), (factor) => factor))}`,
      "const int32_t rest = n - i;",
      // beyond the row all factors are 0, unless they come from what the row has once
      `if (rest > 0) ${block(lines(part, (factor) => `first_of(${factor}, rest)`))}`
    ]),
    ...pass.sums.map((sum) => names.constant(sum, `total64(${names.of(sum)}low + ${names.of(sum)}high)`))
  ]
}

/** Where a buffer of a kernel over rows begins for a row. */
const rowAt = (name: string, reads: Reads, once: boolean): string =>
  once || reads[name] === "row" ? " + row" : reads[name] === "column" ? "" : " + at"

const overRows = (own: ExpressionKernel): string => {
  const names = new Names(language)
  const once = (name: string) => own.outputs[name] !== undefined && !perNumber(own.outputs[name])
  const lines = rowLines(own, names, {
    narrow: (pass) => narrowPass(names, pass),
    wide: (pass) => widePass(names, pass),
    last: (pass) => [
      ...Object.keys(own.outputs)
        .filter(once)
        .map((name) => `*${name} = ${names.of(own.outputs[name]!)}[0];`),
      ...loop("n", (memory) => passLines(names, pass, memory))
    ]
  })
  return kernelOf(own, [
    "const int32_t n = args->n, last = least(first + args->perChunk, args->rows);",
    ...Object.entries(own.words).map(([name, type]) => `const ${SCALARS[type]} ${name} = args->${name};`),
    `for (int32_t row = first; row < last; row++) ${block([
      "const size_t at = (size_t)n * row;",
      ...Object.keys(own.reads).map(
        (name) => `const float *${name} = FLOATS(args->${name})${rowAt(name, own.reads, false)};`
      ),
      ...Object.keys(own.outputs).map(
        (name) => `float *${name} = FLOATS(args->${name})${rowAt(name, {}, once(name))};`
      ),
      ...lines
    ])}`
  ])
}

/** Σ over the rows. */
const overColumns = (own: ColumnKernel): string => {
  const of = (from: string) => Object.keys(own.factors).filter((name) => own.factors[name] === from)
  const [[x, y, ...matrices], [row, ...rows]] = [of("buffer"), of("row")]
  if (x === undefined || y === undefined || matrices.length + rows.length > 0)
    throw new Error(`${own.kernel.name}: in C the factors are two matrices and at most one number of a row`)
  const pointers = [x, y].map((name) => `FLOATS(args->${name})`)
  const factor = row === undefined ? "0" : `FLOATS(args->${row})`
  return kernelOf(own, [
    "const int32_t last = least(first + args->perChunk, args->n);",
    `column_sums(${[...pointers, factor].join(", ")}, args->n, args->rows, first, last, 1, FLOATS(args->out));`
  ])
}

const PRINTERS = { tensors: overTensors, lists: overLists, rows: overRows } as const satisfies Record<
  ExpressionKernel["over"],
  (own: ExpressionKernel) => string
>

/** The text of one kernel, with the span that it calls. */
export const printed = (own: ExpressionKernel): string =>
  `${own.over === "rows" ? "" : spanOf(own)}${PRINTERS[own.over](own)}`

/** File → its text. */
export const expressions = (): Readonly<Record<string, string>> => {
  const { kernels, columns } = sortedExpressions()
  const spans = kernels.filter(({ over }) => over !== "rows").map(spanOf)
  const texts = [...kernels.map((own) => PRINTERS[own.over](own)), ...columns.map(overColumns)]
  return {
    "expressions.h": ['#pragma once\n#include "vectors.h"\n', ...spans].join("\n"),
    "expressions.c": [
      '#include "declared.h"\n#include "columns.h"\n#include "expressions.h"\n#include "lists.h"\n',
      ...texts
    ].join("\n")
  }
}
