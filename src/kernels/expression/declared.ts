/** A kernel made of an expression, as its printers see it. */
import type { Kernel } from "../declaration.ts"
import type { Expression, NumberType, readFrom } from "./expression.ts"

export type Words = Readonly<Record<string, NumberType>>
export type Numbers = Readonly<Record<string, number>>
export type Reads = Readonly<Record<string, Parameters<typeof readFrom>[0]>>

export interface ExpressionKernel {
  readonly kernel: Kernel
  readonly over: "tensors" | "lists" | "rows"
  readonly reads: Reads
  readonly words: Words
  readonly outputs: Readonly<Record<string, Expression<"f32">>>
}

/** The sum over the rows of a product of what is read, whose last two factors are multiplied first. */
export interface ColumnKernel {
  readonly kernel: Kernel
  readonly factors: Readonly<Record<string, "buffer" | "row">>
}

/** Those of the modules that are loaded. */
export const declaredExpressions = {
  kernels: [] as ExpressionKernel[],
  columns: [] as ColumnKernel[]
}

/** The kernel's name in tfjs' table and on the GPU. */
export const labelOf = ({ kernel: { name } }: { readonly kernel: Kernel }): string =>
  `${name[0]!.toUpperCase()}${name.slice(1)}`
