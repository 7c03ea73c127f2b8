/**
 * What training moves: factor pairs and dense tensors. The same structure carries parameters, gradients, updates and moments,
 * so that an optimizer is a map between equal trees (as a pytree is in optax).
 */
import type { Tensor, Tensor2D } from "@tensorflow/tfjs"
import type { LinearSite } from "./linear.ts"

/** A [r, in] and B [out, r]. */
export interface Factors {
  readonly A: Tensor2D
  readonly B: Tensor2D
}

/**
 * The two factors of one adapted site: ΔW = scale · B · A. They stay together from injection to checkpoint, so nobody has to
 * recover which A belongs to which B from names or order.
 */
export interface FactorPair {
  readonly site: LinearSite
  readonly A: Tensor2D // [r, in]
  readonly B: Tensor2D // [out, r]
  /** s of W + s·BA: α/r, or α/√r when rank-stabilized */
  readonly scale: number
  /**
   * Where the factors started, if that was not at BA = 0: ΔW = scale · (BA − start.B·start.A), so that the site starts as its base.
   * Frozen; as long-lived as the adapter.
   */
  readonly start?: Factors
}

/** `head`: a new or copied head, with its own learning rate. `body`: any other tensor that is trained itself (full fine-tuning). */
export type DenseRole = "head" | "body"

/** A tensor that is trained itself. `name` is a parameter name as in `Weights`. */
export interface DenseParameter {
  readonly name: string
  readonly role: DenseRole
  readonly value: Tensor
}

export interface Trainable {
  readonly pairs: ReadonlyArray<FactorPair>
  readonly dense: ReadonlyArray<DenseParameter>
}

/** The tensors of a tree in a fixed order: A, B of every pair, then the dense ones. */
export const tensorsOf = (tree: Trainable): ReadonlyArray<Tensor> => [
  ...tree.pairs.flatMap((pair) => [pair.A, pair.B]),
  ...tree.dense.map((parameter) => parameter.value)
]

/** A tree of the same structure with other tensors, given in the order of `tensorsOf`. */
export const withTensors = (tree: Trainable, tensors: ReadonlyArray<Tensor>): Trainable => ({
  pairs: tree.pairs.map((pair, i) => ({ ...pair, A: tensors[2 * i] as Tensor2D, B: tensors[2 * i + 1] as Tensor2D })),
  dense: tree.dense.map((parameter, i) => ({ ...parameter, value: tensors[2 * tree.pairs.length + i]! }))
})

/** Pairs of the same sites with other factors. */
export const withFactors = (
  pairs: ReadonlyArray<FactorPair>,
  factors: ReadonlyArray<Factors>
): ReadonlyArray<FactorPair> => pairs.map((pair, i) => ({ ...pair, A: factors[i]!.A, B: factors[i]!.B }))

/** What pairs subtract: frozen tensors that live as long as the adapter. */
export const startsOf = ({ pairs }: Trainable): ReadonlyArray<Tensor> =>
  pairs.flatMap(({ start }) => (start === undefined ? [] : [start.A, start.B]))

/** The tree with other tensors to subtract, in the order of `startsOf`. */
export const withStarts = (tree: Trainable, starts: ReadonlyArray<Tensor>): Trainable => {
  let next = 0
  const following = () => starts[next++] as Tensor2D
  return {
    ...tree,
    pairs: tree.pairs.map((pair) =>
      pair.start === undefined ? pair : { ...pair, start: { A: following(), B: following() } }
    )
  }
}

/** Applies `f` to corresponding tensors of trees with equal structure. */
export const mapTensors = (
  f: (...tensors: ReadonlyArray<Tensor>) => Tensor,
  tree: Trainable,
  ...others: ReadonlyArray<Trainable>
): Trainable => {
  const columns = others.map(tensorsOf)
  return withTensors(
    tree,
    tensorsOf(tree).map((tensor, i) => f(tensor, ...columns.map((column) => column[i]!)))
  )
}

/** Number of scalars in a tree. */
export const sizeOf = (tree: Trainable): number => tensorsOf(tree).reduce((total, tensor) => total + tensor.size, 0)
