/**
 * Arithmetic on one number of each tensor, written once: `evaluate.ts` computes it with tfjs ops, `scripts/kernel-expressions.ts` prints
 * it as C (a vector of numbers at a time) and `webgpu/expression.ts` as WGSL.
 *
 * An operation is one line with its forms; where it has one, it is that of both languages. What an operation rounds, it rounds once in
 * each of them, in the order in which an expression is written down: wasm has the bits of the
 * reference wherever an operation is exact to a rounding.
 */
import type { Tensor } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"

/**
 * Type of a value. `u32` is computed from positions and words only, never from a tensor; `f64` from values that a row has once. Without float64
 * on a device it is float32.
 */
export type NumberType = "f32" | "f64" | "u32"
/** Type of an expression. */
export type ExpressionType = NumberType | "bool"

/** Result of an expression in the reference: a tensor or a number; for u32, a function of the position. */
export interface Evaluated {
  readonly f32: Tensor | number
  readonly f64: Tensor | number
  readonly bool: Tensor
  readonly u32: (place: number) => number
}

/** `$0`, `$1`, … are the operands. */
interface Forms<T extends ExpressionType> {
  readonly c: string
  readonly wgsl: string
  reference(operands: ReadonlyArray<Evaluated[ExpressionType]>, size: Size): Evaluated[T]
}

/** Shape of the tensors that an expression is evaluated over. */
export interface Size {
  readonly shape: Array<number>
}

/** An expression: a leaf or an operation. */
export type Expression<T extends ExpressionType = ExpressionType> = Leaf<T> | Operation<T>

/**
 * A constant; a word of the call; the value of a scalar tensor; a value of a tensor, or its position. In rows: a value of the column, a value of
 * the row, or the length of the row.
 */
export interface Leaf<T extends ExpressionType = ExpressionType> {
  readonly type: T
  readonly leaf: "constant" | "word" | "scalar" | "buffer" | "place" | "column" | "row" | "count"
  /** name of the input */
  readonly name?: string
  /** value of a constant */
  readonly value?: number
}

/** An operation on expressions. */
export interface Operation<T extends ExpressionType = ExpressionType> {
  readonly type: T
  readonly operands: ReadonlyArray<Expression>
  readonly forms: Forms<T>
  /** Sum over the row of the operand, or of the product of both operands; `wideProducts` in float64. */
  readonly overRow?: "terms" | "products" | "wideProducts"
  /** output in whose memory a kernel over rows keeps the value between passes */
  readonly keptIn?: string
}

/** Creates a constant. */
export const constant = <T extends NumberType>(type: T, value: number): Leaf<T> => ({ type, leaf: "constant", value })
/** Creates a word of the call. */
export const word = <T extends NumberType>(type: T, name: string): Leaf<T> => ({ type, leaf: "word", name })
/** Creates a value read from an input. */
export const readFrom = (leaf: "scalar" | "buffer" | "column" | "row", name: string): Leaf<"f32"> => ({
  type: "f32",
  leaf,
  name
})

/** Index of a tensor's value, 0, 1, … in order. */
export const place: Leaf<"u32"> = { type: "u32", leaf: "place" }
/** Creates the length of a row. */
export const count = <T extends "f32" | "f64">(type: T): Leaf<T> => ({ type, leaf: "count" })

type Operands<T extends ReadonlyArray<ExpressionType>> = {
  readonly [K in keyof T]: Expression<T[K]> | (T[K] extends NumberType ? number : never)
}
type EvaluatedAll<T extends ReadonlyArray<ExpressionType>> = { readonly [K in keyof T]: Evaluated[T[K]] }

const operation =
  <const T extends ReadonlyArray<ExpressionType>, G extends ExpressionType>(
    takes: T,
    type: G,
    form: string | { readonly c: string; readonly wgsl: string },
    reference: (operands: EvaluatedAll<T>, size: Size) => Evaluated[G]
  ) =>
  (...operands: Operands<T>): Operation<G> => ({
    type,
    operands: operands.map((operand, i) =>
      typeof operand === "number" ? constant(takes[i] as NumberType, operand) : operand
    ),
    forms: {
      ...(typeof form === "string" ? { c: form, wgsl: form } : form),
      reference: (values, size) => reference(values as EvaluatedAll<T>, size)
    }
  })

/** As `operation`; the form is the term, of which a sum is made. */
const overRow =
  <const T extends ReadonlyArray<ExpressionType>, G extends ExpressionType>(
    takes: T,
    type: G,
    kind: NonNullable<Operation["overRow"]>,
    term: string,
    reference: (operands: EvaluatedAll<T>) => Evaluated[G]
  ) =>
  (...operands: Operands<T>): Operation<G> => ({
    ...operation(takes, type, term, reference)(...operands),
    overRow: kind
  })

const sumOfProducts = ([a, b]: readonly [Tensor | number, Tensor | number]): Tensor => {
  const products = tf.mul(a, b)
  const sum = tf.sum(products, -1, true)
  products.dispose()
  return sum
}

/** The first operand as it is. */
const firstOperand = <T extends Tensor | number>([a]: readonly [T, ...ReadonlyArray<unknown>]): T =>
  typeof a === "number" ? a : (tf.clone(a) as T)

const one = ["f32"] as const
const two = ["f32", "f32"] as const

/** a + b */
export const add = operation(two, "f32", "($0 + $1)", ([a, b]) => tf.add(a, b))
/** a − b */
export const sub = operation(two, "f32", "($0 - $1)", ([a, b]) => tf.sub(a, b))
/** a·b */
export const mul = operation(two, "f32", "($0 * $1)", ([a, b]) => tf.mul(a, b))
/** a/b */
export const div = operation(two, "f32", "($0 / $1)", ([a, b]) => tf.div(a, b))
/** a·b + c, fused where the binary is compiled for it. */
export const madd = operation(["f32", "f32", "f32"], "f32", "($0 * $1 + $2)", ([a, b, c]) => {
  const product = tf.mul(a, b)
  const sum = tf.add(product, c)
  product.dispose()
  return sum
})

/** −a */
export const neg = operation(one, "f32", "(-$0)", ([a]) => tf.neg(a))
/** |a| */
export const abs = operation(one, "f32", { c: "magnitude($0)", wgsl: "abs($0)" }, ([a]) => tf.abs(a))
/** √a */
export const sqrt = operation(one, "f32", { c: "root($0)", wgsl: "sqrt($0)" }, ([a]) => tf.sqrt(a))
/** max(a, 0), and NaN for NaN. */
export const relu = operation(one, "f32", { c: "pmax($0, splat(0))", wgsl: "max($0, V(0.0))" }, ([a]) => tf.relu(a))
/** exp(a); on WebGPU undefined if a is not finite or the result overflows */
export const exp = operation(one, "f32", { c: "exponential($0)", wgsl: "exp($0)" }, ([a]) => tf.exp(a))
/** 1/(1 + exp(−a)) */
export const sigmoid = operation(one, "f32", "sigmoid($0)", ([a]) => tf.sigmoid(a))

/** 1 − a where a = σ(b); WGSL uses b, since its exponential leaves too few digits in the difference. */
export const restOf = operation(two, "f32", { c: "(splat(1) - $0)", wgsl: "sigmoid(-$1)" }, ([a]) => tf.sub(1, a))

/** a > b */
export const greater = operation(two, "bool", "($0 > $1)", ([a, b]) => tf.greater(a, b))
/** a < b */
export const less = operation(two, "bool", "($0 < $1)", ([a, b]) => tf.less(a, b))
/** a ≤ b */
export const atMost = operation(two, "bool", "($0 <= $1)", ([a, b]) => tf.lessEqual(a, b))
/** a and b */
export const both = operation(["bool", "bool"], "bool", "($0 & $1)", ([a, b]) => tf.logicalAnd(a, b))
/** a if the condition is true, else b */
export const select = operation(["bool", "f32", "f32"], "f32", "select($2, $1, $0)", ([condition, a, b]) =>
  tf.where(condition, a, b)
)

/** a if the condition is true, else 0 */
export const where = operation(
  ["bool", "f32"],
  "f32",
  { c: "select(splat(0), $1, $0)", wgsl: "select(V(0.0), $1, $0)" },
  ([condition, a]) => tf.where(condition, a, 0)
)

/**
 * Operations that only WGSL needs, because its compilers may change values that are not finite or whose squares are not. Elsewhere
 * ordinary arithmetic gives the same result, and these return their first operand.
 */
/** a clamped to [−b, b]; b is so large that this changes no result */
export const held = operation(two, "f32", { c: "$0", wgsl: "clamp($0, -$1, $1)" }, firstOperand)
/** a, or NaN if b is not finite */
export const orNaN = operation(two, "f32", { c: "$0", wgsl: "select(V(notANumber()), $0, finite($1))" }, firstOperand)
/** a; ∞ if b is ∞, NaN if b is −∞ or NaN */
export const orInfinity = operation(
  two,
  "f32",
  { c: "$0", wgsl: "select(select(V(notANumber()), $1, infinite($1)), $0, finite($1))" },
  firstOperand
)

const words = ["u32", "u32"] as const

/** a + b modulo 2³² */
export const plus = operation(
  words,
  "u32",
  "($0 + $1)",
  ([a, b]) =>
    (i) =>
      (a(i) + b(i)) | 0
)

/** a·b modulo 2³² */
export const times = operation(
  words,
  "u32",
  "($0 * $1)",
  ([a, b]) =>
    (i) =>
      Math.imul(a(i), b(i))
)

/** a ⊕ (a ≫ 16) */
export const folded = operation(
  ["u32"],
  "u32",
  { c: "($0 ^ ($0 >> 16))", wgsl: "($0 ^ ($0 >> U(16u)))" },
  ([a]) =>
    (i) => {
      const word = a(i)
      return word ^ (word >>> 16)
    }
)

/** a ≥ b */
export const atLeast = operation(words, "bool", "($0 >= $1)", ([a, b], { shape }) => {
  const truths = new Uint8Array(tf.util.sizeFromShape(shape))
  for (let i = 0; i < truths.length; i++) truths[i] = a(i) >>> 0 >= b(i) >>> 0 ? 1 : 0
  return tf.tensor(truths, shape, "bool")
})

const wide = ["f64"] as const
const wideTwo = ["f64", "f64"] as const

/** Σ a over the row, accumulated in float32 */
export const rowSum = overRow(one, "f32", "terms", "$0", ([a]) => tf.sum(a, -1, true))
/** Σ a·b over the row, accumulated in float32 */
export const rowProducts = overRow(two, "f32", "products", "$0 * $1", sumOfProducts)
/** Σ a·b over the row, with products and sums in float64 */
export const rowProducts64 = overRow(two, "f64", "wideProducts", "$0 * $1", sumOfProducts)

/** Returns a, which a kernel over rows stores in the memory of this output instead of computing it in each pass. */
export const keptIn = (output: string, a: Expression<"f32">): Operation<"f32"> => ({
  ...operation(one, "f32", "$0", firstOperand)(a),
  keptIn: output
})

/** a as float64, for a value that a row has once */
export const widened = operation(one, "f64", { c: "((double)($0)[0])", wgsl: "$0" }, firstOperand)
/** a as float32 */
export const rounded = operation(wide, "f32", { c: "splat((float)$0)", wgsl: "$0" }, firstOperand)
/** a, or 0 on devices whose float64 is float32: for corrections smaller than float32's rounding */
export const only64 = operation(wide, "f64", { c: "$0", wgsl: "V(0.0)" }, () => 0)
/** a + b in float64 */
export const add64 = operation(wideTwo, "f64", "($0 + $1)", ([a, b]) => tf.add(a, b))
/** a − b in float64 */
export const sub64 = operation(wideTwo, "f64", "($0 - $1)", ([a, b]) => tf.sub(a, b))
/** a·b in float64 */
export const mul64 = operation(wideTwo, "f64", "($0 * $1)", ([a, b]) => tf.mul(a, b))
/** a/b in float64 */
export const div64 = operation(wideTwo, "f64", "($0 / $1)", ([a, b]) => tf.div(a, b))
/** max(a, 0) for a difference from an `only64` value; on devices without float64 it is never negative */
export const positive64 = operation(wide, "f64", { c: "($0 < 0 ? 0 : $0)", wgsl: "$0" }, firstOperand)
/** √a in float64 */
export const sqrt64 = operation(wide, "f64", { c: "__builtin_sqrt($0)", wgsl: "sqrt($0)" }, ([a]) => tf.sqrt(a))

/** Operations ordered so that each follows its operands, and the leaves. */
export interface Ordered {
  readonly leaves: ReadonlyArray<Leaf>
  readonly operations: ReadonlyArray<Operation>
}

/** Orders the operations of expressions. `known`: operations that are not computed again, with everything that only they need. */
export const ordered = (
  outputs: ReadonlyArray<Expression>,
  known: (expression: Expression) => boolean = () => false
): Ordered => {
  const leaves: Array<Leaf> = []
  const operations: Array<Operation> = []
  const seen = new Set<Expression>()
  const visit = (expression: Expression): void => {
    if (seen.has(expression) || known(expression)) return
    seen.add(expression)
    if ("leaf" in expression) {
      leaves.push(expression)
      return
    }
    expression.operands.forEach(visit)
    operations.push(expression)
  }
  outputs.forEach(visit)
  return { leaves, operations }
}

/** Returns the text of an operation with its operands instead of `$0`, `$1`, …. */
export const filled = (form: string, operands: ReadonlyArray<string>): string =>
  form.replace(/\$(\d)/g, (_, i) => operands[Number(i)]!)
