/** The package as others get it: built, packed, and unpacked into a project beside its peers, without a registry. */
import { afterAll } from "bun:test"
import { spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, symlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

export const repository = join(import.meta.dir, "..", "..")

const succeeded = (command: string, args: ReadonlyArray<string>, cwd: string): string => {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: "utf8" })
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} → ${status}: ${stdout}${stderr}`)
  return stdout
}

let built = false

/** The file that would be published, in `folder`. Built once a process. */
export const pack = (folder: string): string => {
  if (!built) succeeded(process.execPath, [join(repository, "scripts", "build.ts")], repository)
  built = true
  const file = join(folder, "tfjs-lora-pro.tgz")
  succeeded(process.execPath, ["pm", "pack", "--quiet", "--filename", file], join(repository, "dist"))
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
