/** Linear layers and their gradients in float64, for the kernel tests, with the loss L = Σ dy∘y. */
import * as tf from "@tensorflow/tfjs"
import { combine, fromFlat, type Matrix, product, randomMatrix, rounded, transpose } from "../optimizers/matrix.ts"

export interface Layer {
  readonly x: Matrix // [tokens, in]
  readonly W: Matrix // [out, in]
  readonly bias: Matrix // [1, out]
  readonly A: Matrix // [r, in]
  readonly B: Matrix // [out, r]
  readonly scale: number
  readonly dy: Matrix // [tokens, out]
}

/** tokens, in, out, r: square, tall, wide, one token, rank one, and sizes that no SIMD width divides. */
export const shapes: ReadonlyArray<readonly [number, number, number, number]> = [
  [5, 8, 8, 2],
  [7, 3, 17, 3],
  [16, 33, 4, 4],
  [1, 6, 5, 1],
  [12, 64, 32, 8]
]

/** Numbers that float32 holds exactly: the oracle starts from what the device is given. */
export const layerOf = ([tokens, inputs, out, rank]: readonly [number, number, number, number], next: () => number) => {
  const matrix = (rows: number, columns: number) => rounded(randomMatrix(rows, columns, next))
  return {
    x: matrix(tokens, inputs),
    W: matrix(out, inputs),
    bias: matrix(1, out),
    A: matrix(rank, inputs),
    B: matrix(out, rank),
    scale: 2 / rank,
    dy: matrix(tokens, out)
  } satisfies Layer
}

/** ΔW = s·BA */
export const delta = ({ A, B, scale }: Layer): Matrix => combine([scale, product(B, A)])

/** y = xWᵀ + bias */
export const forwardOf = ({ x, bias }: Layer, W: Matrix): Matrix =>
  product(x, transpose(W)).map((row) => row.map((value, j) => value + bias[0]![j]!))

/** dx, dW, dbias of a plain layer, and gA, gB of a factored one from dW alone: gA = s·Bᵀ·dW, gB = s·dW·Aᵀ. */
export const gradientsOf = ({ x, dy, A, B, scale }: Layer, W: Matrix) => {
  const dW = product(transpose(dy), x)
  return {
    x: product(dy, W),
    W: dW,
    bias: [transpose(dy).map((column) => column.reduce((sum, value) => sum + value, 0))],
    A: combine([scale, product(transpose(B), dW)]),
    B: combine([scale, product(dW, transpose(A))])
  }
}

export const tensor = (a: Matrix): tf.Tensor2D => tf.tensor2d(a.flat(), [a.length, a[0]!.length])
export const vector = (a: Matrix): tf.Tensor1D => tf.tensor1d(a.flat())

/** A layer on the device. */
export const upload = (layer: Layer) => ({
  x: tensor(layer.x),
  W: tensor(layer.W),
  bias: vector(layer.bias),
  A: tensor(layer.A),
  B: tensor(layer.B),
  dy: tensor(layer.dy)
})

/** Σ dy∘y: its gradient with respect to y is dy. */
export const weighted = (y: tf.Tensor, dy: tf.Tensor): tf.Scalar => tf.sum(tf.mul(y, dy)) as tf.Scalar

export const matrixOf = async (t: tf.Tensor): Promise<Matrix> =>
  t.rank === 1 ? fromFlat(await t.data(), 1, t.size) : fromFlat(await t.data(), t.shape[0]!, t.shape[1]!)

/** Calls `run`, and answers how often each tfjs kernel ran meanwhile. */
export const kernelCalls = (run: () => unknown): ReadonlyMap<string, number> => {
  const engine = tf.engine() as unknown as { runKernel: (name: string, ...rest: ReadonlyArray<unknown>) => unknown }
  const own = engine.runKernel
  const calls = new Map<string, number>()
  engine.runKernel = (name, ...rest) => {
    calls.set(name, (calls.get(name) ?? 0) + 1)
    return own.call(engine, name, ...rest)
  }
  try {
    run()
  } finally {
    engine.runKernel = own
  }
  return calls
}

interface Tape {
  readonly startTape: () => void
  readonly endTape: () => void
  readonly state: { activeTape: ReadonlyArray<{ readonly kernelName: string }> | null }
}

/** Runs `f` with the tape on; answers the names of what was recorded. What the tape saved is given back. */
export const recorded = (f: () => unknown): ReadonlyArray<string> =>
  tf.tidy(() => {
    const engine = tf.engine() as unknown as Tape
    engine.startTape()
    try {
      f()
      const names = (engine.state.activeTape ?? []).map((node) => node.kernelName)
      // saving a tensor clones it, which leaves an entry under the scope's name
      return names.filter((name) => name !== "unnamed scope") as unknown as tf.TensorContainer
    } finally {
      engine.endTape()
      engine.state.activeTape = null
    }
  }) as unknown as ReadonlyArray<string>
