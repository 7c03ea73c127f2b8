/**
 * The package as others get it: built, packed, and unpacked into a project beside its peers, without a registry. It is built once for its
 * sources, whichever test asks first.
 */
import { afterAll } from "bun:test"
import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

export const repository = join(import.meta.dir, "..", "..")

const succeeded = (command: string, args: ReadonlyArray<string>, cwd: string): string => {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: "utf8" })
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} → ${status}: ${stdout}${stderr}`)
  return stdout
}

/** The folders that the package is made from, beside the files of the root. */
const sources = ["adapters", "bench", "docs", "examples", "schemas", "scripts", "src"]

/** Which sources there are: every file of them by its name, its size and when it was written. */
const keyOfSources = (): string => {
  const hash = createHash("sha256").update(repository)
  const below = (folder: string) =>
    (readdirSync(join(repository, folder), { recursive: true }) as Array<string>).map((name) => join(folder, name))
  for (const name of [...readdirSync(repository), ...sources.flatMap(below)].sort()) {
    const file = statSync(join(repository, name), { throwIfNoEntry: false })
    if (file?.isFile()) hash.update(`${name}\0${file.size}\0${file.mtimeMs}\0`)
  }
  return hash.digest("hex").slice(0, 24)
}

/** The file that would be published. */
const tarball = (): string => {
  const cache = join(tmpdir(), "tfjs-lora-pro-packages")
  const packed = join(cache, `${keyOfSources()}.tgz`)
  if (existsSync(packed)) return packed
  mkdirSync(cache, { recursive: true })
  // another process may build too
  const fresh = mkdtempSync(join(cache, "building-"))
  try {
    succeeded(process.execPath, [join(repository, "scripts", "build.ts"), fresh], repository)
    succeeded(process.execPath, ["pm", "pack", "--quiet", "--filename", `${fresh}.tgz`], fresh)
    renameSync(`${fresh}.tgz`, packed)
  } finally {
    rmSync(fresh, { recursive: true, force: true })
  }
  return packed
}

/** The file that would be published, in `folder`. */
export const pack = (folder: string): string => {
  const file = join(folder, "tfjs-lora-pro.tgz")
  copyFileSync(tarball(), file)
  return file
}

/** Everything that the repository has installed, linked entry by entry, and the packed package among it. Gives its folder. */
export const installInto = (project: string): string => {
  const modules = join(project, "node_modules")
  const installed = join(modules, "tfjs-lora-pro")
  mkdirSync(installed, { recursive: true })
  for (const name of readdirSync(join(repository, "node_modules"))) {
    symlinkSync(join(repository, "node_modules", name), join(modules, name))
  }
  succeeded("tar", ["-xzf", pack(project), "--strip-components=1", "-C", installed], project)
  return installed
}

/** An empty folder outside the repository, removed after the tests of the file. */
export const emptyProject = (): string => {
  const folder = mkdtempSync(join(realpathSync(tmpdir()), "consumer-"))
  afterAll(() => rmSync(folder, { recursive: true, force: true }), 120_000)
  return folder
}

export interface Manifest {
  readonly exports: Readonly<Record<string, string | { readonly types: string; readonly default: string }>>
  readonly bin: { readonly "tfjs-lora-pro": string }
}

export const manifestOf = (installed: string): Manifest =>
  JSON.parse(readFileSync(join(installed, "package.json"), "utf8"))
