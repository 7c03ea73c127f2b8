/** Programs for Node out of sources: it reads no TypeScript from here, and finds packages and the native library beside the program. */
import { mkdtempSync, symlinkSync } from "node:fs"
import { basename, join } from "node:path"
import { fileURLToPath } from "node:url"
import { libraryFile } from "../../src/kernels/wasm/index.ts"

const repository = join(import.meta.dir, "../..")

/** The machine's own, of any version; undefined without one. */
export const node: string | undefined = Bun.which("node") ?? undefined

if (node === undefined) {
  if (process.env["REQUIRE_NODE"] === "1") throw new Error("node is not installed, but REQUIRE_NODE=1")
  console.warn("node is not installed: the tests of it are skipped (REQUIRE_NODE=1 makes that a failure)")
}

/** The file of a program, in a folder of its own in `folder`. `withLibrary` false: the native library is not beside it. */
export const nodeProgram = async (folder: string, source: string, { withLibrary = true } = {}): Promise<string> => {
  const place = mkdtempSync(join(folder, "node-program-"))
  symlinkSync(join(repository, "node_modules"), join(place, "node_modules"))
  if (withLibrary) {
    const library = fileURLToPath(libraryFile())
    symlinkSync(library, join(place, basename(library)))
  }
  const { outputs } = await Bun.build({
    entrypoints: ["program.ts"],
    files: { "program.ts": source },
    root: repository,
    target: "node",
    packages: "external"
  })
  const file = join(place, "program.mjs")
  await Bun.write(file, outputs[0]!)
  return file
}
