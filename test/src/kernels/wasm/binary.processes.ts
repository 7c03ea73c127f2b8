/** The committed binaries are what their sources compile to. `bun run assembly` makes them anew. */
import { expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { binaries, compile } from "../../../../scripts/assembly.ts"

const root = new URL("../../../../", import.meta.url).pathname

test.each(Object.entries(binaries))(
  "%s is fresh",
  async (file, options) => {
    const fresh = await compile(options)
    expect(Buffer.compare(readFileSync(`${root}${file}`), fresh)).toBe(0)
  },
  180_000
)
