/** A kernel made of an expression, as its printers see it. */
import type { Kernel } from "../declaration.ts"
import type { Expression, NumberType, readFrom } from "./expression.ts"

/** Words of an expression kernel, with their types. */
export type Words = Readonly<Record<string, NumberType>>
/** Values of a kernel's words. */
export type Numbers = Readonly<Record<string, number>>
/** Tensors that an expression kernel reads, and how. */
export type Reads = Readonly<Record<string, Parameters<typeof readFrom>[0]>>

/** Expressions of a kernel's outputs. */
export interface ExpressionKernel {
  readonly kernel: Kernel
  readonly over: "tensors" | "lists" | "rows"
  readonly reads: Reads
  readonly words: Words
  readonly outputs: Readonly<Record<string, Expression<"f32">>>
}

/** A sum over rows of a product of inputs, whose last two factors are multiplied first. */
export interface ColumnKernel {
  readonly kernel: Kernel
  readonly factors: Readonly<Record<string, "buffer" | "row">>
}

/** Expression kernels of the loaded modules. */
export const declaredExpressions = {
  kernels: [] as ExpressionKernel[],
  columns: [] as ColumnKernel[]
}

/** Returns the kernel's name in tfjs's table and on the GPU. */
export const labelOf = ({ kernel: { name } }: { readonly kernel: Kernel }): string =>
  `${name[0]!.toUpperCase()}${name.slice(1)}`
