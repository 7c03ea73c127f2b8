/** The hashes in the source are those of the committed files. What a device makes of others: test/runtime/changed-kernels.processes.ts. */
import { expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { checksumsText, versionText } from "../../../scripts/checksums.ts"
import { checksums } from "../../../src/kernels/wasm/index.ts"
import { repository } from "../../e2e/fixtures.ts"

test("every compiled file has its hash in the source, and all together have one", () => {
  expect(readFileSync(join(repository, "src/kernels/checksums.ts"), "utf8")).toBe(checksumsText())
  expect(readFileSync(join(repository, "src/kernels/version.ts"), "utf8")).toBe(versionText())
  // five libraries, four binaries
  expect(Object.keys(checksums)).toHaveLength(9)
})
