/**
 * Prints kernels made of expressions (`src/kernels/expression/`) as C, which `kernels.ts` compiles with `src/kernels/c`. `bun run kernels
 * --print` shows it.
 *
 *   expressions.h    a function over a span of numbers for each kernel over tensors or lists; kernels that are written by hand may call it
 *   expressions.c    the kernels
 *
 * All of a place is read before any of it is written: what is written may lie where something read lies.
 */
import {
  type ColumnKernel,
  declaredExpressions,
  type ExpressionKernel,
  labelOf,
  type Reads
} from "../src/kernels/expression/declared.ts"
import { type Expression, filled, type Leaf, type Operation, ordered } from "../src/kernels/expression/expression.ts"
import { type Pass, passesOf, perNumber } from "../src/kernels/expression/rows.ts"

const TYPES = { f32: "vec", u32: "uvec", bool: "ivec", f64: "double" } as const satisfies Record<
  Expression["type"],
  string
>
const SCALARS = { f32: "float", u32: "uint32_t", f64: "double" } as const

const splat = (type: Expression["type"], value: string): string =>
  ({ f32: `splat(${value})`, u32: `splat_word(${value})`, f64: value, bool: value })[type]

/** A leaf where it is used, or what its name is given. */
const LEAVES: Readonly<Record<Leaf["leaf"], (leaf: Leaf) => string>> = {
  constant: ({ type, value }) =>
    splat(type, type === "u32" ? `${value! >>> 0}u` : Number.isInteger(value) ? `${value}.0` : `${value}`),
  word: ({ type, name }) => splat(type, name!),
  scalar: ({ type, name }) => splat(type, name!),
  row: ({ name }) => `splat(*${name})`,
  count: ({ type }) => splat(type, "n"),
  place: () => "place",
  buffer: ({ name }) => name!,
  column: ({ name }) => name!
}

/** Loads from the buffer of this name, and stores to it. */
interface Memory {
  readonly load: (buffer: string) => string
  readonly store: (buffer: string, value: string) => string
}

/** What values are called, and the lines that give them their names. */
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
    return this.constant(own, "leaf" in own ? LEAVES[own.leaf](own) : filled(own.forms.c, this.all(own.operands)))
  }

  constant(own: Expression, value: string): string {
    return `const ${TYPES[own.type]} ${this.of(own)} = ${value};`
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

const isPlaced = ({ outputs }: ExpressionKernel): boolean =>
  ordered(Object.values(outputs)).leaves.some(({ leaf }) => leaf === "place")

/** Of a kernel over tensors or lists: the buffers that it reads, then those that it writes. */
const spanBuffers = (own: ExpressionKernel): ReadonlyArray<string> => [
  ...named(own, "buffer"),
  ...Object.keys(own.outputs)
]

/** Lines of a kernel over tensors or lists: what is computed once, before the numbers; and of some numbers. */
const spanLines = ({ outputs }: ExpressionKernel, names: Names) => {
  const { leaves, operations } = ordered(Object.values(outputs))
  const same = new Set<Expression>(leaves.filter((leaf) => !isRead(leaf) && leaf.leaf !== "place"))
  const once = operations.filter((operation) => {
    const uniform = operation.operands.every((operand) => same.has(operand))
    if (uniform) same.add(operation)
    return uniform
  })
  return {
    before: [...leaves.filter(isNamed), ...once].map((it) => names.line(it)),
    loads: (load: Memory["load"]) => leaves.filter(isRead).map((leaf) => names.constant(leaf, load(leaf.name!))),
    /** A value is stored as soon as it is there. */
    each: (store: Memory["store"]) =>
      operations
        .filter((operation) => !same.has(operation))
        .flatMap((operation) => [
          names.line(operation),
          ...Object.entries(outputs)
            .filter(([, output]) => output === operation)
            .map(([name]) => store(name, names.of(operation)))
        ])
  }
}

/** What a pass over a row does for some numbers, without the sums. */
const passLines = (names: Names, { loads, each, stores }: Pass, { load, store }: Memory): ReadonlyArray<string> => [
  ...loads.map(([buffer, own]) => names.constant(own, load(buffer))),
  ...each.map((own) => names.line(own)),
  ...stores.map(([buffer, own]) => store(buffer, names.of(own)))
]

/** How a pass is printed: with sums in float32, with sums in float64, and the last one, which has none. */
type PassPrinters = Readonly<Record<"narrow" | "wide" | "last", (pass: Pass) => ReadonlyArray<string>>>

/** Lines of a kernel over rows for a row. */
const rowLines = (
  { kernel, outputs }: ExpressionKernel,
  names: Names,
  printers: PassPrinters
): ReadonlyArray<string> => {
  const passes = passesOf(outputs).map((pass): ReadonlyArray<string> => {
    const wide = pass.sums.filter((sum) => sum.overRow === "wideProducts").length
    if (wide !== 0 && wide !== pass.sums.length) throw new Error(`${kernel.name}: float32 and float64 sums in one pass`)
    const print = printers[pass.sums.length === 0 ? "last" : wide === 0 ? "narrow" : "wide"]
    return [...pass.before.map((it) => names.line(it)), ...print(pass)]
  })
  const { leaves } = ordered(Object.values(outputs))
  return [...leaves.filter(isNamed).map((leaf) => names.line(leaf)), ...passes.flat()]
}

/** Whatever order the modules were loaded in. */
const sorted = <T extends ColumnKernel | ExpressionKernel>(kernels: ReadonlyArray<T>): ReadonlyArray<T> =>
  kernels.toSorted((a, b) => (a.kernel.name < b.kernel.name ? -1 : 1))

/** Those of the modules that are loaded. */
const sortedExpressions = () => ({
  kernels: sorted(declaredExpressions.kernels),
  columns: sorted(declaredExpressions.columns)
})

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
  const { before, loads, each } = spanLines(own, new Names())
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
  const term = (sum: (typeof sums)[number]) => filled(sum.forms.c, names.all(sum.operands))
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
  const names = new Names()
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

/** Returns the source of one kernel, with the span that it calls. */
export const printed = (own: ExpressionKernel): string =>
  `${own.over === "rows" ? "" : spanOf(own)}${PRINTERS[own.over](own)}`

/** Returns the generated sources by file. */
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
