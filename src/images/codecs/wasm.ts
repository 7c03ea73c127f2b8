/** The binaries of the codecs: beside their packages' JavaScript, read where there is a file system, fetched in a page. */
import { builtin } from "../builtin.ts"

const fetched = async (url: URL): Promise<ArrayBuffer> => {
  const response = await fetch(url)
  if (!response.ok) throw new Error(`${url.href}: the server answers ${response.status}`)
  return response.arrayBuffer()
}

/**
 * Compiles a binary. `specifier`: its name as a module's; `asset`: where a bundler put it, which knows it by an expression
 * `new URL("…", import.meta.url)` alone.
 */
export const compiled = async (specifier: string, asset: () => URL): Promise<WebAssembly.Module> => {
  const files = builtin()?.fs
  const bytes =
    files === undefined ? await fetched(asset()) : await files.readFile(new URL(import.meta.resolve(specifier)))
  return WebAssembly.compile(bytes as BufferSource)
}
