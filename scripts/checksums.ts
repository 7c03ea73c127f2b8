/**
 * Writes `src/kernels/checksums.ts`: the SHA-256 of each compiled file that is committed. A device opens no other. And
 * `src/kernels/version.ts`: the hash of all of them, which runs record; it is a file of its own because pages that train plans have it,
 * and those hashes only with a device. `bun run kernels` ends with both.
 */
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { basename } from "node:path"
import { Glob } from "bun"

const root = new URL("../", import.meta.url).pathname

/** Returns the text of the checksums file for the current bytes. */
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

/** Returns the text of the version file, with the hash of all hashes. */
export const versionText = (): string =>
  `/** Version of the compiled kernels: the first digits of the SHA-256 of their checksums, written by \`bun run kernels\`. */
export const kernelsVersion = "${createHash("sha256").update(checksumsText()).digest("hex").slice(0, 12)}"
`

export const writeChecksums = async () => {
  await Bun.write(`${root}src/kernels/checksums.ts`, checksumsText())
  await Bun.write(`${root}src/kernels/version.ts`, versionText())
}
