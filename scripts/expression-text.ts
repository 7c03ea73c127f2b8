/**
 * What the printers of kernels made of expressions (`src/kernels/expression/`) share, whatever language they print: which values there are, in
 * which order, and what they are called.
 */
import { type ColumnKernel, declaredExpressions, type ExpressionKernel } from "../src/kernels/expression/declared.ts"
import { type Expression, type Leaf, type Operation, ordered } from "../src/kernels/expression/expression.ts"
import { type Pass, passesOf } from "../src/kernels/expression/rows.ts"

export interface Language {
  /** A leaf where it is used, or what its name is given. */
  readonly leaves: Readonly<Record<Leaf["leaf"], (leaf: Leaf) => string>>
  /** An operation of operands that are called so. */
  readonly form: (operation: Operation, operands: ReadonlyArray<string>) => string
  /** The line that gives a value its name. */
  readonly constant: (own: Expression, name: string, value: string) => string
}

/** Loads from the buffer of this name, and stores to it. */
export interface Memory {
  readonly load: (buffer: string) => string
  readonly store: (buffer: string, value: string) => string
}

export class Names {
  private readonly names = new Map<Expression, string>()
  private readonly language: Language

  constructor(language: Language) {
    this.language = language
  }

  of(expression: Expression): string {
    if ("leaf" in expression && (expression.leaf === "constant" || expression.leaf === "place"))
      return this.language.leaves[expression.leaf](expression)
    const name = this.names.get(expression) ?? `value${this.names.size}`
    this.names.set(expression, name)
    return name
  }

  line(own: Operation | Leaf): string {
    const { leaves, form } = this.language
    return this.constant(own, "leaf" in own ? leaves[own.leaf](own) : form(own, this.all(own.operands)))
  }

  constant(own: Expression, value: string): string {
    return this.language.constant(own, this.of(own), value)
  }

  all(operands: ReadonlyArray<Expression>): ReadonlyArray<string> {
    return operands.map((own) => this.of(own))
  }
}

export const indented = (lines: ReadonlyArray<string>, depth: number): string =>
  lines.map((line) => line.replace(/^/gm, "  ".repeat(depth))).join("\n")

/** Leaves that are read for each number, and those that are computed once and named. */
const isRead = ({ leaf }: Leaf) => leaf === "buffer" || leaf === "column"
const isNamed = (own: Leaf) => !isRead(own) && own.leaf !== "constant" && own.leaf !== "place"

export const named = ({ reads }: ExpressionKernel, from: string): ReadonlyArray<string> =>
  Object.keys(reads).filter((name) => reads[name] === from)

export const isPlaced = ({ outputs }: ExpressionKernel): boolean =>
  ordered(Object.values(outputs)).leaves.some(({ leaf }) => leaf === "place")

/** Of a kernel over tensors or lists: the buffers that it reads, then those that it writes. */
export const spanBuffers = (own: ExpressionKernel): ReadonlyArray<string> => [
  ...named(own, "buffer"),
  ...Object.keys(own.outputs)
]

/** Lines of a kernel over tensors or lists: what is computed once, before the numbers; and of some numbers. */
export const spanLines = ({ outputs }: ExpressionKernel, names: Names) => {
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

/** Buffers of a pass. */
export const buffersOf = ({ loads, stores }: Pass): ReadonlyArray<string> => [
  ...new Set([...loads, ...stores].map(([buffer]) => buffer))
]

/** What a pass over a row does for some numbers, without the sums. */
export const passLines = (
  names: Names,
  { loads, each, stores }: Pass,
  { load, store }: Memory
): ReadonlyArray<string> => [
  ...loads.map(([buffer, own]) => names.constant(own, load(buffer))),
  ...each.map((own) => names.line(own)),
  ...stores.map(([buffer, own]) => store(buffer, names.of(own)))
]

/** How a pass is printed: with sums in float32, with sums in float64, and the last one, which has none. */
type PassPrinters = Readonly<Record<"narrow" | "wide" | "last", (pass: Pass) => ReadonlyArray<string>>>

/** Lines of a kernel over rows for a row. */
export const rowLines = (
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
export const sortedExpressions = () => ({
  kernels: sorted(declaredExpressions.kernels),
  columns: sorted(declaredExpressions.columns)
})
