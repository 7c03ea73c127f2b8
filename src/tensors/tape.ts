/**
 * tfjs's tape: which kernels a function ran, on which tensors, and what each kept for its gradient.
 *
 * It reads private fields of tfjs 4.22's engine (`startTape`, `endTape`, `isTapeOn`, `saveTensorsForBackwardMode`, `track`,
 * `nextTensorId`, `state.activeTape`, `state.gradientDepth`), and this file is the only one that does.
 */
import type { Tensor } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"

export interface TapeNode {
  readonly kernelName: string
  readonly inputs: Readonly<Record<string, Tensor>>
  readonly outputs: ReadonlyArray<Tensor>
  readonly saved: ReadonlyArray<Tensor>
  /** absent where tfjs has no gradient for the kernel */
  readonly gradient?: (dys: ReadonlyArray<Tensor | null>) => Readonly<Record<string, () => Tensor>>
  /** recomputation of a node of `recomputed`, instead of a gradient */
  readonly again?: Again
}

/** A part of the forward pass that is not on the tape, and is recomputed when the walk reaches it. */
export interface Again {
  /** Computes the node's only output from `copies`, with the same kernels as the first time. */
  readonly run: () => Tensor
  /** the tensors that were handed to it, and the copies (among `saved`) that `run` uses instead */
  readonly inputs: ReadonlyArray<Tensor>
  readonly copies: ReadonlyArray<Tensor>
}

/** All that the engine asks of a tape that is recorded on. */
type Recorder = Pick<Array<TapeNode>, "push">

interface TapeEngine {
  /** keeps what a kernel needs for its gradient */
  saveTensorsForBackwardMode?: (tensors: ReadonlyArray<Tensor>) => ReadonlyArray<Tensor>
  readonly startTape: () => void
  readonly endTape: () => void
  readonly isTapeOn: () => boolean
  /** puts a tensor into the scope that is open, whose end disposes it */
  readonly track: (tensor: Tensor) => Tensor
  /** ids ascend */
  readonly nextTensorId: () => number
  readonly state: { activeTape: Recorder | null; readonly gradientDepth: number }
}

const engine = (): TapeEngine => tf.engine() as unknown as TapeEngine

/** Declares that a gradient reads only the dys of the first `count` outputs: see `outputsWithGradient`. */
export const ofFirst = (count: number) => ({ outputsWithGradient: count }) as const

/**
 * Returns the number of a kernel's outputs, from the first, that have a gradient; undefined: all. For an output without a dy, tfjs would create
 * zeros on the host and upload them: for outputs that are only saved, as large as a kernel's activations and never read.
 */
export const outputsWithGradient = (kernelName: string): number | undefined =>
  (tf.getGradient(kernelName) as Partial<ReturnType<typeof ofFirst>> | undefined)?.outputsWithGradient

let wanted: ReadonlySet<string> | undefined

/** Runs `f`, which requests the gradients of these inputs of a node. */
export const wanting = <T>(inputs: ReadonlySet<string>, f: () => T): T => {
  wanted = inputs
  try {
    return f()
  } finally {
    wanted = undefined
  }
}

/** Returns whether the gradient of this input will be requested. True during tfjs's own walks, for which this is unknown. */
export const isWanted = (input: string): boolean => wanted?.has(input) ?? true

/** Disposes tensors without searching them for others, as `tf.dispose` does. */
export const disposeAll = (tensors: ReadonlyArray<Tensor>): void => {
  for (const tensor of tensors) tensor.dispose()
}

/** Returns whether a tape records the kernel that runs next. */
export const isRecording = (): boolean => engine().isTapeOn()

/** Adds a node to the active tape. */
export const addNode = (node: TapeNode): void => void engine().state.activeTape!.push(node)

/**
 * Creates a second handle of a tensor's data, invisible to the tape. tfjs's own is a kernel with a node on the tape: for the hundreds of tensors
 * that kernels save, it takes a sixth of a step's time on the host.
 */
export const handleOf = ({ dataId, shape, dtype }: Tensor): Tensor => {
  const backend = tf.backend()
  backend.incRef(dataId)
  return tf.engine().makeTensorFromTensorInfo({ dataId, shape, dtype }, backend)
}

/** By a node's `saved`: what of it the node holds handles of. Absent: all. */
const held = new WeakMap<ReadonlyArray<Tensor>, ReadonlyArray<Tensor>>()

/** What a kernel saves, on a tape whose own tensors have ids from `first` on. Older ones, weights and trained tensors, outlive the walk. */
const savedFrom = (first: number, tensors: ReadonlyArray<Tensor>): ReadonlyArray<Tensor> => {
  const handles: Array<Tensor> = []
  const saved = tensors.map((tensor) => {
    if (tensor.id < first) return tensor
    const handle = tf.keep(handleOf(tensor))
    handles.push(handle)
    return handle
  })
  held.set(saved, handles)
  return saved
}

/** Disposes the tensors that a node holds for its gradient. */
export const forget = ({ saved }: TapeNode): void => disposeAll(held.get(saved) ?? saved)

/** Hands a kept tensor over to the scope that is open, like any result of an op. */
export const unkept = (tensor: Tensor): Tensor => {
  tensor.kept = false
  return engine().track(tensor)
}

/** Computes f() and records its tape. Kernels have first derivatives only, so a tape is never recorded within another. */
export const record = <T extends Tensor>(f: () => T): { readonly value: T; readonly tape: ReadonlyArray<TapeNode> } => {
  const tfjsEngine = engine()
  if (tfjsEngine.state.gradientDepth !== 0) throw new Error("valueAndGradients cannot run inside another gradient")
  let value: T | undefined
  tfjsEngine.startTape()
  const tape = tfjsEngine.state.activeTape as Array<TapeNode>
  const first = tfjsEngine.nextTensorId()
  // beside the method of its class
  tfjsEngine.saveTensorsForBackwardMode = (tensors) => savedFrom(first, tensors)
  try {
    value = tf.tidy(f)
  } finally {
    delete tfjsEngine.saveTensorsForBackwardMode
    tfjsEngine.endTape()
    tfjsEngine.state.activeTape = null
    if (value === undefined) tape.forEach(forget)
  }
  return { value, tape }
}

/**
 * Computes f() without the outer tape, and returns the tensors from outside that its kernels read (including frozen ones). Keeps nothing for a
 * gradient: each node's saved tensors are disposed immediately.
 */
export const observe = <T extends Tensor>(f: () => T): { readonly value: T; readonly read: ReadonlyArray<Tensor> } => {
  const { state } = engine()
  const outer = state.activeTape
  const made = new Set<number>()
  const read = new Map<number, Tensor>()
  const see = (node: TapeNode) => {
    forget(node)
    for (const input of Object.values(node.inputs)) read.set(input.id, input)
    for (const output of node.outputs) made.add(output.id)
  }
  state.activeTape = {
    push: (...nodes) => {
      nodes.forEach(see)
      return made.size
    }
  }
  try {
    const value = tf.tidy(f)
    // only now: the copy that a kernel saves of its output is on the tape before the kernel itself
    return { value, read: [...read.values()].filter(({ id }) => !made.has(id)) }
  } finally {
    state.activeTape = outer
  }
}
