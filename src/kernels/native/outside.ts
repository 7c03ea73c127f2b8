/**
 * Tensors in private memory outside of the wasm heap, which ends at 4 GiB: the large state of native, such as moments [out, in].
 *
 * To tfjs they are tensors of another backend, so they are counted, kept and disposed like all others, and an op of tfjs's own that touches one
 * moves it into the heap first. Kernels of ours read and write them where they lie (`far` of `../declaration.ts`).
 */
import { engine, KernelBackend, type Tensor, util } from "@tensorflow/tfjs-core"
import type { WasmBackend } from "../wasm/backend.ts"
import type { Outside } from "../wasm/engine.ts"

/** Whole pages of the system's, by machine address. */
export interface PrivateMemory {
  /** Returns the address of a number of bytes, all 0. Throws with a reason. */
  readonly allocate: (bytes: number) => number
  readonly free: (address: number, bytes: number) => void
  readonly view: (address: number, bytes: number) => ArrayBuffer
}

interface Held {
  readonly address: number
  readonly bytes: number
  references: number
}

const FLOAT = 4
/** Values from which a tensor lies outside: it takes whole pages there, and the heap has room for small ones. */
const LARGE = 2 ** 18

/**
 * A step makes the next state before it disposes the last one, so memory that was freed is kept for the next step, which saves a page fault for
 * each page; at most as much as is in use.
 */
class OutsideMemory extends KernelBackend {
  private readonly pages: PrivateMemory
  private readonly held = new WeakMap<object, Held>()
  private readonly spare = new Map<number, Array<number>>()
  private tensors = 0
  private bytesUsed = 0
  private bytesSpare = 0

  constructor(pages: PrivateMemory) {
    super()
    this.pages = pages
  }

  addressOf(dataId: object): number | undefined {
    return this.held.get(dataId)?.address
  }

  make(shape: ReadonlyArray<number>, values?: Float32Array | "zeros"): Tensor {
    const bytes = FLOAT * util.sizeFromShape([...shape])
    const reused = this.spare.get(bytes)?.pop()
    const address = reused ?? this.pages.allocate(bytes)
    if (reused !== undefined) this.bytesSpare -= bytes
    if (values === "zeros" && reused !== undefined) this.floats({ address, bytes }).fill(0)
    else if (typeof values === "object") this.floats({ address, bytes }).set(values)
    const dataId = {}
    this.held.set(dataId, { address, bytes, references: 1 })
    this.tensors++
    this.bytesUsed += bytes
    return engine().makeTensorFromTensorInfo({ dataId, shape: [...shape], dtype: "float32" }, this)
  }

  private floats({ address, bytes }: Pick<Held, "address" | "bytes">): Float32Array {
    return new Float32Array(this.pages.view(address, bytes))
  }

  private trim(most: number): void {
    for (const [bytes, addresses] of this.spare)
      while (this.bytesSpare > most && addresses.length > 0) {
        this.pages.free(addresses.pop()!, bytes)
        this.bytesSpare -= bytes
      }
  }

  // what tfjs asks of a backend that only holds tensors

  override readSync(dataId: object): Float32Array {
    return this.floats(this.held.get(dataId)!).slice()
  }
  override async read(dataId: object): Promise<Float32Array> {
    return this.readSync(dataId)
  }
  override refCount(dataId: object): number {
    return this.held.get(dataId)?.references ?? 0
  }
  override incRef(dataId: object): void {
    this.held.get(dataId)!.references++
  }
  override disposeData(dataId: object, force = false): boolean {
    const heldTensor = this.held.get(dataId)
    if (heldTensor === undefined) return true
    heldTensor.references--
    if (!force && heldTensor.references > 0) return false
    this.held.delete(dataId)
    this.tensors--
    this.bytesUsed -= heldTensor.bytes
    this.bytesSpare += heldTensor.bytes
    this.spare.set(heldTensor.bytes, [...(this.spare.get(heldTensor.bytes) ?? []), heldTensor.address])
    this.trim(this.bytesUsed)
    return true
  }
  override numDataIds(): number {
    return this.tensors
  }
}

/** Returns the memory outside of a backend's heap. */
export const outsideOf = (backend: WasmBackend, pages: PrivateMemory): Outside => {
  const outside = new OutsideMemory(pages)
  // a clone or another shape of a tensor shares its memory
  const incRef = backend.incRef.bind(backend)
  backend.incRef = (dataId) => {
    if (outside.addressOf(dataId) === undefined) incRef(dataId)
    else outside.incRef(dataId)
  }
  return {
    addressOf: ({ dataId }) => outside.addressOf(dataId),
    output: (shape, before) =>
      before === undefined || outside.addressOf(before.dataId) === undefined
        ? backend.makeOutput(shape, "float32")
        : outside.make(shape),
    tensor: (shape, values) =>
      util.sizeFromShape([...shape]) < LARGE ? undefined : outside.make(shape, values ?? "zeros")
  }
}
