/** Compiled kernels, stored next to this file. Each kind is compiled once per process. */

export interface BinaryKind {
  /** for a memory that several threads see */
  readonly shared: boolean
  /** with fused multiply-adds (relaxed SIMD): other bits on other engines */
  readonly fused: boolean
  /** URL of the folder they are in, in a program that moved them; ends in "/" */
  readonly folder?: string | undefined
  /** reads a file; without it the binary is fetched, which Node does over http alone */
  readonly read?: ((url: URL) => Promise<Uint8Array<ArrayBuffer>>) | undefined
}

const modules = new Map<string, Promise<WebAssembly.Module>>()

const fetched = async (url: URL): Promise<ArrayBuffer> => {
  const response = await fetch(url)
  if (!response.ok) throw new Error(`${url.href}: the server answers ${response.status}`)
  return response.arrayBuffer()
}

/** Rejects where the file cannot be read, or the engine does not know what is in it. */
export const kernelModule = ({ shared, fused, folder, read }: BinaryKind): Promise<WebAssembly.Module> => {
  const file = `./kernels${fused ? "-fused" : ""}${shared ? "-shared" : ""}.wasm`
  const url = new URL(file, folder ?? import.meta.url)
  const module = modules.get(url.href) ?? (read ?? fetched)(url).then((bytes) => WebAssembly.compile(bytes))
  modules.set(url.href, module)
  return module
}

/** The fused kernels if they are wanted and the engine knows them, else the plain ones. */
export const kernelModuleFor = ({ fused, ...kind }: BinaryKind): Promise<WebAssembly.Module> => {
  const plain = () => kernelModule({ ...kind, fused: false })
  if (!fused) return plain()
  return kernelModule({ ...kind, fused }).catch((cause) => {
    if (cause instanceof WebAssembly.CompileError) return plain()
    throw cause
  })
}
