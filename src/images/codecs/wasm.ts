/** The binaries of the codecs: beside their packages' JavaScript, read where there is a file system, fetched in a page. */
import { cut, messageOf, printableLine } from "../../boundary/index.ts"
import { builtin } from "../builtin.ts"
import { Refused } from "../refused.ts"

const fetched = async (url: URL): Promise<ArrayBuffer> => {
  const response = await fetch(url)
  if (!response.ok) throw new Error(`${url.href}: the server answers ${response.status}`)
  return response.arrayBuffer()
}

/**
 * Compiles a binary. `specifier`: its name as a module's; `asset`: where a bundler put it, which knows it by an expression
 * `new URL("…", import.meta.url)` alone. Rejects with Refused where it is not there: no image is decoded then, for a reason that is not its own.
 */
export const compiled = async (specifier: string, asset: () => URL): Promise<WebAssembly.Module> => {
  try {
    const files = builtin()?.fs
    const bytes =
      files === undefined ? await fetched(asset()) : await files.readFile(new URL(import.meta.resolve(specifier)))
    return await WebAssembly.compile(bytes as BufferSource)
  } catch (cause) {
    throw new Refused(`cannot be decoded: ${specifier} does not load (${cut(printableLine(messageOf(cause)))})`)
  }
}
