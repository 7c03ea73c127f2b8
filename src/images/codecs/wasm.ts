/** Binaries of the codecs, next to the JavaScript of their packages: read from the file system, or fetched in a page. */
import { cut, messageOf, printableLine } from "../../boundary/index.ts"
import { builtin } from "../builtin.ts"
import { Refused } from "../refused.ts"

const fetched = async (url: URL): Promise<ArrayBuffer> => {
  const response = await fetch(url)
  if (!response.ok) throw new Error(`${url.href}: HTTP status ${response.status}`)
  return response.arrayBuffer()
}

/**
 * Compiles a binary. `specifier`: its module name; `asset`: its URL in a bundle, which bundlers only recognise as an expression
 * `new URL("…", import.meta.url)`. Rejects with Refused if the binary is missing: no image can then be decoded.
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
