/** What SECURITY.md says of the packages that come with this one, and of the network. */
import { describe, expect, test } from "bun:test"
import { existsSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { Glob } from "bun"
import packageJson from "../../package.json" with { type: "json" }
import { repository } from "../e2e/fixtures.ts"

type Entry = readonly [name: string, registry: string, facts: Facts, integrity: string]
interface Facts {
  readonly dependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
  readonly optionalPeers?: ReadonlyArray<string>
  readonly hasInstallScript?: true
  readonly os?: string | ReadonlyArray<string>
  readonly cpu?: string | ReadonlyArray<string>
}
const read = (file: string) => readFileSync(join(repository, file), "utf8")
// JSON but for its trailing commas
const lock = JSON.parse(read("bun.lock").replaceAll(/,(\s*[}\]])/g, "$1")) as {
  readonly packages: Readonly<Record<string, Entry>>
  readonly trustedDependencies?: ReadonlyArray<string>
}
const { dependencies, peerDependencies, devDependencies } = packageJson

/** The names in a key of bun.lock: one, or one within another's folder. */
const namesIn = (key: string): ReadonlyArray<string> => key.match(/(@[^/]+\/)?[^/]+/g)!

const folderOf = (key: string): string =>
  join(repository, "node_modules", ...namesIn(key).flatMap((name, i) => (i === 0 ? [name] : ["node_modules", name])))

interface Installed {
  readonly name: string
  readonly folder: string
  readonly facts: Facts
}

/** Whether a package is for this platform; others are not installed. */
const isForThis = ({ os, cpu }: Facts): boolean =>
  (os === undefined || [os].flat().includes(process.platform)) &&
  (cpu === undefined || [cpu].flat().includes(process.arch))

/** Every package that npm installs with this one and its optional peers, found as runtimes find it: next to who asks for it, or further out. */
const installed: ReadonlyArray<Installed> = (() => {
  const found = new Map<string, Installed>()
  const visit = (name: string, from: ReadonlyArray<string>): void => {
    const key = [...from, name].join("/")
    const entry = lock.packages[key]
    if (entry === undefined && from.length > 0) visit(name, from.slice(0, -1))
    if (entry === undefined || found.has(key)) return
    const facts = entry[2]
    if (!isForThis(facts)) return
    found.set(key, { name, folder: folderOf(key), facts })
    const { optionalPeers = [], peerDependencies } = facts
    const peers = Object.keys(peerDependencies ?? {}).filter((peer) => !optionalPeers.includes(peer))
    const asked = Object.keys({ ...facts.dependencies, ...facts.optionalDependencies })
    for (const other of [...asked, ...peers]) visit(other, namesIn(key))
  }
  for (const name of Object.keys({ ...dependencies, ...peerDependencies })) visit(name, [])
  return [...found.values()]
})()

interface Manifest {
  readonly license?: unknown
  readonly scripts?: Readonly<Record<string, string>>
}
const manifestIn = (folder: string) => JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Manifest

/** The cells of a table of SECURITY.md, by its first line. */
const tableAfter = (header: string): ReadonlyArray<ReadonlyArray<string>> => {
  const [, rest] = read("SECURITY.md").split(`\n${header}`)
  const [, , ...rows] = rest!.split("\n\n")[0]!.split("\n")
  return rows.map((row) =>
    row
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim())
  )
}

describe("packages", () => {
  test("ours are named by exact versions; a peer may be newer by a patch", () => {
    const versions = Object.entries({
      ...devDependencies,
      ...dependencies,
      ...peerDependencies
    })
    expect(versions.filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([["effect", "~4.1.0"]])
  })

  test("all come from the registry, with a hash", () => {
    const others = Object.values(lock.packages).filter(
      ([name, registry, , integrity]) =>
        !/@\d+\.\d+\.\d+[\w.-]*$/.test(name) || registry !== "" || !integrity?.startsWith("sha512-")
    )
    expect(others).toEqual([])
  })

  test("none runs a script when it is installed", () => {
    expect(packageJson.trustedDependencies).toEqual([])
    // where the lock file does not know, installing changes it
    expect(lock.trustedDependencies).toEqual([])
  })

  test("those that run a script when npm installs this one are the table of SECURITY.md", () => {
    const withScript = installed.filter(({ folder, facts }) => {
      const { scripts = {} } = manifestIn(folder)
      const own = ["preinstall", "install", "postinstall"].filter((name) => scripts[name] !== undefined)
      // npm builds what has one
      return facts.hasInstallScript === true || own.length > 0 || existsSync(join(folder, "binding.gyp"))
    })
    expect(installed.length).toBeGreaterThan(40)
    const listed = tableAfter("| package | installed by | its install script |").map(([name]) => name)
    expect(listed.toSorted()).toEqual(withScript.map(({ name }) => `\`${name}\``).toSorted())
  })

  test("those that are installed with this one have the licences of SECURITY.md", () => {
    const counts = new Map<string, number>()
    for (const { folder } of installed) {
      const { license } = manifestIn(folder)
      counts.set(String(license), (counts.get(String(license)) ?? 0) + 1)
    }
    const listed = tableAfter("| licence | packages |").map(
      ([licence, packages]) => [licence!, Number(packages)] as const
    )
    expect(new Map(listed)).toEqual(counts)
    const permissive = /^((Apache-2\.0|MIT|ISC|BSD-2-Clause|BSD-3-Clause)( AND )?)+$/
    // that of Pyodide, which is optional: it binds changes of its own files, and nothing that uses them
    expect([...counts.keys()].filter((licence) => !permissive.test(licence))).toEqual(["MPL-2.0"])
  })

  test("those that are installed with this one bring no others that bun.lock does not have", () => {
    const known = new Set(Object.keys(lock.packages).map(folderOf))
    const brought = installed.flatMap(({ folder }) =>
      [...new Glob("**/node_modules/**/package.json").scanSync({ cwd: folder, dot: true })]
        .map((file) => dirname(join(folder, file)))
        // of a package itself, and not of a folder within it
        .filter((inner) => /[/\\]node_modules[/\\](@[^/\\]+[/\\])?[^/\\]+$/.test(inner) && !known.has(inner))
    )
    expect(brought).toEqual([])
  })
})

test("the sources that reach the network are those that SECURITY.md names", () => {
  const reaching =
    /\bfetch\(|["'](node:)?(https?|http2|net|tls|dgram|dns)["'/]|\b(WebSocket|EventSource|XMLHttpRequest|sendBeacon)\b|sql-pg|\bBun\.(connect|listen|serve)\b|\bDeno\.(connect|listen|serve)/
  const code = (file: string) =>
    read(file)
      .replaceAll(/\/\*[\s\S]*?\*\//g, "")
      .replaceAll(/(^|\s)\/\/.*$/gm, "$1")
  const sources = [...new Glob("{src,adapters,schemas}/**/*.{ts,tsx}").scanSync(repository)]
  const found = sources.filter((file) => reaching.test(code(file))).sort()
  expect(found).toEqual([
    "src/compare/storage.ts",
    "src/data/memory-files.ts",
    "src/hub/remote.ts",
    "src/images/codecs/wasm.ts",
    "src/kernels/wasm/binary.ts",
    "src/layers-model/adapter-files.ts",
    "src/scoring/judge/judge.ts",
    "src/serve/listener.ts",
    "src/studio/page/isolating-worker.ts",
    "src/studio/page/server-host.ts",
    "src/studio/page/worker/static-files.ts",
    "src/studio/page/worker/world.ts"
  ])
  const text = read("SECURITY.md")
  expect(found.filter((file) => !text.includes(`\`${file}\``))).toEqual([])
})
