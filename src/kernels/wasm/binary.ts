/** Compiled kernels, stored next to this file. Each kind is compiled once per process. */

export interface BinaryKind {
  /** whether several threads share the memory */
  readonly shared: boolean
  /** whether multiply-adds are fused (relaxed SIMD), which gives different bits on different engines */
  readonly fused: boolean
  /** URL of the folder that contains them, if a program moved them; ends in "/" */
  readonly folder?: string | undefined
  /** reads a file; default: the binary is fetched, which Node supports over http only */
  readonly read?: ((url: URL) => Promise<Uint8Array<ArrayBuffer>>) | undefined
}

const modules = new Map<string, Promise<WebAssembly.Module>>()

const fetched = async (url: URL): Promise<ArrayBuffer> => {
  const response = await fetch(url)
  if (!response.ok) throw new Error(`${url.href}: HTTP status ${response.status}`)
  return response.arrayBuffer()
}

/** Compiles the kernels of a kind. Rejects if the file cannot be read or the engine does not support its instructions. */
export const kernelModule = ({ shared, fused, folder, read }: BinaryKind): Promise<WebAssembly.Module> => {
  const file = `./kernels${fused ? "-fused" : ""}${shared ? "-shared" : ""}.wasm`
  const url = new URL(file, folder ?? import.meta.url)
  const module = modules.get(url.href) ?? (read ?? fetched)(url).then((bytes) => WebAssembly.compile(bytes))
  modules.set(url.href, module)
  return module
}

/** Compiles the fused kernels if they are requested and the engine supports them, else the plain ones. */
export const kernelModuleFor = ({ fused, ...kind }: BinaryKind): Promise<WebAssembly.Module> => {
  const plain = () => kernelModule({ ...kind, fused: false })
  if (!fused) return plain()
  return kernelModule({ ...kind, fused }).catch((cause) => {
    if (cause instanceof WebAssembly.CompileError) return plain()
    throw cause
  })
}
