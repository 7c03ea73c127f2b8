/**
 * Writes `src/kernels/checksums.ts`: the SHA-256 of each compiled file that is committed. A device opens no other. `bun run kernels`
 * ends with it.
 */
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { basename } from "node:path"
import { Glob } from "bun"

const root = new URL("../", import.meta.url).pathname

/** The text of the file, from the bytes that lie there now. */
export const checksumsText = (): string => {
  const files = [...new Glob("src/kernels/{native,wasm}/kernels*.{so,dylib,dll,wasm}").scanSync(root)].sort()
  const lines = files.map((file) => {
    const hash = createHash("sha256")
      .update(readFileSync(root + file))
      .digest("hex")
    return `  "${basename(file)}": "${hash}"`
  })
  return `/** SHA-256 of each compiled file of this package, written by \`bun run kernels\`. */
export const checksums: Readonly<Record<string, string>> = {
${lines.join(",\n")}
}
`
}

export const writeChecksums = () => Bun.write(`${root}src/kernels/checksums.ts`, checksumsText())
