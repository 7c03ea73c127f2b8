/** A Node that this package supports, for tests: many machines have one that is too old for it. */
import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs"
import { dirname, join } from "node:path"
import { tooOldNode } from "../../src/bin/main.ts"
import { repository } from "../package/consumer.ts"
import type { Runtime } from "./runtimes.ts"

const VERSION = "22.23.5"

/** What npm installed in the repository's cache, now or before; undefined where it cannot. */
const fromNpm = (name: string): string | undefined => {
  const cache = join(repository, "node_modules", ".cache")
  const folder = join(cache, `node-${VERSION}`)
  const bin = join(folder, "node_modules", name, "bin")
  if (existsSync(join(bin, "node"))) return bin
  mkdirSync(cache, { recursive: true })
  // another process may install it too
  const fresh = mkdtempSync(join(cache, "installing-"))
  const args = ["install", "--prefer-offline", "--no-audit", "--no-fund", "--prefix", fresh, `${name}@${VERSION}`]
  try {
    if (spawnSync("npm", args, { cwd: fresh, encoding: "utf8" }).status !== 0) return undefined
    if (!existsSync(folder)) renameSync(fresh, folder)
    return bin
  } finally {
    rmSync(fresh, { recursive: true, force: true })
  }
}

/** A folder with a Node that is new enough: the machine's own, or the one that npm has; undefined where neither can be had. */
export const nodeFolder = (): string | undefined => {
  const own = Bun.which("node")
  const version =
    own === null ? "0.0.0" : spawnSync(own, ["-p", "process.versions.node"], { encoding: "utf8" }).stdout.trim()
  if (own !== null && tooOldNode(version) === undefined) return dirname(own)
  const name = `node-${process.platform}-${process.arch}`
  const folder = fromNpm(name)
  if (folder !== undefined) return folder
  const announcement = `Node ${version} is too old, and npm has no ${name}@${VERSION} here`
  if (process.env["REQUIRE_NODE"] === "1") throw new Error(`${announcement}, but REQUIRE_NODE=1`)
  console.warn(`${announcement}: nothing is tried in Node (REQUIRE_NODE=1 makes that a failure)`)
}

/** The program itself. */
export const supportedNode = (): string | undefined => {
  const folder = nodeFolder()
  return folder && join(folder, "node")
}

/** Where there is such a Node, it as one of the runtimes. */
export const nodeRuntime = (): ReadonlyArray<Runtime> => {
  const node = supportedNode()
  return node === undefined ? [] : [{ name: "node", command: [node] }]
}
