/** A Node for the tests of the package: many machines have one that is too old for it. */
import { spawnSync } from "node:child_process"
import { dirname, join } from "node:path"
import { tooOldNode } from "../../src/bin/main.ts"
import { emptyProject } from "./consumer.ts"

/** A folder with a Node that is new enough: the machine's own, or the one that npm has; undefined where neither can be had. */
export const nodeFolder = (): string | undefined => {
  const own = Bun.which("node")
  const version =
    own === null ? "0.0.0" : spawnSync(own, ["-p", "process.versions.node"], { encoding: "utf8" }).stdout.trim()
  if (own !== null && tooOldNode(version) === undefined) return dirname(own)
  const name = `node-${process.platform}-${process.arch}`
  const folder = emptyProject()
  const args = ["install", "--prefer-offline", "--no-audit", "--no-fund", "--prefix", folder, `${name}@22`]
  if (spawnSync("npm", args, { cwd: folder, encoding: "utf8" }).status === 0)
    return join(folder, "node_modules", name, "bin")
  const announcement = `Node ${version} is too old, and npm has no ${name}@22 here`
  if (process.env["REQUIRE_NODE"] === "1") throw new Error(`${announcement}, but REQUIRE_NODE=1`)
  console.warn(`${announcement}: the package is not tried in Node (REQUIRE_NODE=1 makes that a failure)`)
}
