/** The compiled kernels, which lie beside this file. Compiled once a process for each kind. */

export interface BinaryKind {
  /** for a memory that several threads see */
  readonly shared: boolean
  /** with fused multiply-adds (relaxed SIMD): other bits on other engines */
  readonly fused: boolean
}

const modules = new Map<string, Promise<WebAssembly.Module>>()

const compile = async (file: string): Promise<WebAssembly.Module> => {
  const response = await fetch(new URL(file, import.meta.url))
  return WebAssembly.compile(await response.arrayBuffer())
}

/** Rejects where the file cannot be read, or the engine does not know what is in it. */
export const kernelModule = ({ shared, fused }: BinaryKind): Promise<WebAssembly.Module> => {
  const file = `./kernels${fused ? "-fused" : ""}${shared ? "-shared" : ""}.wasm`
  const module = modules.get(file) ?? compile(file)
  modules.set(file, module)
  return module
}

/** The fused kernels if they are wanted and the engine knows them, else the plain ones. */
export const kernelModuleFor = ({ shared, fused }: BinaryKind): Promise<WebAssembly.Module> => {
  const plain = () => kernelModule({ shared, fused: false })
  return fused ? kernelModule({ shared, fused }).catch(plain) : plain()
}
