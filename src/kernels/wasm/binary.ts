/** The compiled kernels, which lie beside this file. Compiled once a process for each kind of memory. */
const FILES = { shared: "./kernels-shared.wasm", own: "./kernels.wasm" } as const

const modules = new Map<string, Promise<WebAssembly.Module>>()

/** `shared`: for a memory that several threads see. Rejects where the file cannot be read. */
export const kernelModule = (shared: boolean): Promise<WebAssembly.Module> => {
  const file = shared ? FILES.shared : FILES.own
  const module =
    modules.get(file) ??
    fetch(new URL(file, import.meta.url))
      .then((response) => response.arrayBuffer())
      .then((bytes) => WebAssembly.compile(bytes))
  modules.set(file, module)
  return module
}
