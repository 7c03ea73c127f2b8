/**
 * What training moves, and where it is. A linear layer is data: where a linear map is in a model (`LinearSite`) is separate from how it is
 * computed (`Linear`). A model's forward pass calls `linear(site, x)` for every linear layer. The caller of the forward pass decides what
 * that means: the frozen base, the base plus an adapter, a trained weight. Injection is therefore partial application, with no module
 * replaced and nothing to undo.
 *
 * Factor pairs and dense tensors of those layers make a tree (`Trainable`). The same structure carries parameters, gradients, updates and
 * moments, so that an optimizer is a map between equal trees (as a pytree is in optax).
 */
import type { Tensor, Tensor2D } from "@tensorflow/tfjs-core"

/** A linear layer of a model. `name` is the module's path inside the family's backbone, e.g. `encoder.layer.0.attention.self.query`. */
export interface LinearSite {
  /** name that patterns of `targets` match; the parameter's name appends ".weight" */
  readonly name: string
  /**
   * Kind of input. `dense`: rows of x [tokens, in]. `conv`: the patches under a convolution's kernel, one row for each place that
   * it is applied at, [places, kernel · channels], so that W is the kernel as a matrix. `embedding`: row numbers of a table, x int32
   * [tokens, 1], instead of the one-hot rows that W [out, in] would be multiplied with; W is the table's transpose.
   */
  readonly kind: "dense" | "conv" | "embedding"
  /** part of the transformer block that contains the layer; absent: none */
  readonly part?: "attention" | "mlp"
  /** rows of W */
  readonly out: number
  /** columns of W */
  readonly in: number
  /** false: the layer adds no bias; absent: it adds one */
  readonly bias?: false
}

/** Computes one linear layer. x: [tokens, in] → [tokens, out]; at an embedding x is int32 [tokens, 1]. */
export interface Linear {
  (site: LinearSite, x: Tensor2D): Tensor2D
  /** Layers of one input together, where a device gains by it: see `fanOut`. */
  readonly together?: Together<LinearSite>
}

/** Computes several layers, or one layer and GELU of its output; returns `undefined` if no kernel supports them. */
export type Together<Layer> = (
  layers: ReadonlyArray<Layer>,
  x: Tensor2D,
  gelu?: "erf" | "tanh" | "quick"
) => FannedOut | undefined

export interface FannedOut {
  /** [tokens, out] of each layer, in their order */
  readonly outputs: ReadonlyArray<Tensor2D>
  /** x, for consumers that read it after the layers, such as a residual branch. Its gradient then joins that of the layers while they compute it. */
  readonly x: Tensor2D
}

/** Computes layers that read one input. Later consumers of x must read the x that is returned. */
export const fanOut = (linear: Linear, sites: ReadonlyArray<LinearSite>, x: Tensor2D): FannedOut =>
  linear.together?.(sites, x) ?? { outputs: sites.map((site) => linear(site, x)), x }

/**
 * Looks up a model parameter by its name in the family's naming, e.g. `encoder.layer.0.attention.self.query.weight`.
 * Linear weights are [out, in] whatever the checkpoint's own layout. Throws on a name the model does not have: that is a bug
 * in a model family, never a user's error.
 */
export interface Weights {
  (name: string): Tensor
  /** directly trained parameters; absent for a model without an adapter */
  readonly trained?: ReadonlyMap<string, Tensor>
}

/** A [r, in] and B [out, r]. */
export interface Factors {
  /** `[r, in]` */
  readonly A: Tensor2D
  /** `[out, r]` */
  readonly B: Tensor2D
}

/**
 * Both factors of one adapted site: ΔW = scale · B · A. They stay together from injection to checkpoint, so that no code must match A and B by
 * names or order.
 */
export interface FactorPair {
  /** the layer, with its sizes */
  readonly site: LinearSite
  /** `[r, in]` */
  readonly A: Tensor2D
  /** `[out, r]` */
  readonly B: Tensor2D
  /** s of W + s·BA: α/r, or α/√r when rank-stabilized */
  readonly scale: number
}

/** `head`: a new or copied head, with its own learning rate. `body`: any other directly trained tensor (full fine-tuning). */
export type DenseRole = "head" | "body"

/** A directly trained tensor. `name` is a parameter name as in `Weights`. */
export interface DenseParameter {
  /** parameter name, as in `Weights` */
  readonly name: string
  /** role, which selects the learning rate */
  readonly role: DenseRole
  /** values, in the parameter's shape; [out, in] for a linear weight */
  readonly value: Tensor
}

/** Gradients, updates and moments are trees of the same pairs and dense tensors, without the frozen ones. */
export interface Trainable {
  /** one pair per adapted site with factors A and B */
  readonly pairs: ReadonlyArray<FactorPair>
  /** directly trained tensors: heads, biases, vectors of a method, whole weights */
  readonly dense: ReadonlyArray<DenseParameter>
  /** frozen tensors of the adapted sites, which an initialization subtracts; they live as long as the adapter; absent: none */
  readonly frozen?: ReadonlyArray<Tensor>
  /** frozen tensors that all sites share, such as VeRA's projections; absent: none */
  readonly shared?: ReadonlyArray<Tensor>
}

/** Returns the tensors of a tree in a fixed order: A, B of every pair, then the dense ones. */
export const tensorsOf = ({ pairs, dense }: Trainable): ReadonlyArray<Tensor> => {
  const tensors: Array<Tensor> = []
  for (const { A, B } of pairs) tensors.push(A, B)
  for (const { value } of dense) tensors.push(value)
  return tensors
}

/** Returns a tree of the same structure with other tensors, in the order of `tensorsOf`. */
export const withTensors = (tree: Trainable, tensors: ReadonlyArray<Tensor>): Trainable => ({
  ...tree,
  pairs: tree.pairs.map((pair, i) => ({ ...pair, A: tensors[2 * i] as Tensor2D, B: tensors[2 * i + 1] as Tensor2D })),
  dense: tree.dense.map((parameter, i) => ({ ...parameter, value: tensors[2 * tree.pairs.length + i]! }))
})

/** Returns pairs for the same sites with other factors. */
export const withFactors = (
  pairs: ReadonlyArray<FactorPair>,
  factors: ReadonlyArray<Factors>
): ReadonlyArray<FactorPair> => pairs.map((pair, i) => ({ ...pair, A: factors[i]!.A, B: factors[i]!.B }))

/** Returns the frozen tensors of a tree: those of the sites, then the shared ones. */
export const frozenOf = ({ frozen = [], shared = [] }: Trainable): ReadonlyArray<Tensor> => [...frozen, ...shared]

/** Returns the tree with other frozen tensors, in the order of `frozenOf`. */
export const withFrozen = (tree: Trainable, tensors: ReadonlyArray<Tensor>): Trainable => {
  const frozenCount = tree.frozen?.length ?? 0
  return {
    ...tree,
    ...(frozenCount === 0 ? {} : { frozen: tensors.slice(0, frozenCount) }),
    ...(tree.shared === undefined ? {} : { shared: tensors.slice(frozenCount) })
  }
}

/** Returns every tensor of a tree, all of which must be disposed with it. */
export const everyTensorOf = (tree: Trainable): ReadonlyArray<Tensor> => [...tensorsOf(tree), ...frozenOf(tree)]

/** The tree with f of each of its tensors, the frozen ones too. */
export const mapEveryTensor = (f: (tensor: Tensor) => Tensor, tree: Trainable): Trainable =>
  withFrozen(withTensors(tree, tensorsOf(tree).map(f)), frozenOf(tree).map(f))

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

/** What is at several places, and the part of a tree that is made of its tensors. Tensor code. */
interface Restorable {
  readonly places: ReadonlyArray<unknown>
  readonly restored: (tensors: ReadonlyArray<Tensor>) => Trainable
}

/** Tensor code: the tree of `units`, in their order, from the tensors of all their places. */
export const restoredFrom = (units: ReadonlyArray<Restorable>, tensors: ReadonlyArray<Tensor>): Trainable => {
  let next = 0
  const parts = units.map(({ places, restored }) => {
    const part = tensors.slice(next, next + places.length)
    next += places.length
    return restored(part)
  })
  const shared = parts.find((part) => part.shared !== undefined && part.shared.length > 0)?.shared
  return {
    pairs: parts.flatMap(({ pairs }) => pairs),
    dense: parts.flatMap(({ dense }) => dense),
    frozen: parts.flatMap(({ frozen = [] }) => frozen),
    ...(shared === undefined ? {} : { shared })
  }
}
