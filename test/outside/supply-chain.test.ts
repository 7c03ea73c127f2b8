/** What SECURITY.md says of the packages that come with this one, and of the network. */
import { describe, expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { Glob } from "bun"
import packageJson from "../../package.json" with { type: "json" }
import { repository } from "../e2e/fixtures.ts"

type Entry = readonly [name: string, registry: string, facts: Facts, integrity: string]
interface Facts {
  readonly dependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
}
const read = (file: string) => readFileSync(join(repository, file), "utf8")
// JSON but for its trailing commas
const lock = JSON.parse(read("bun.lock").replaceAll(/,(\s*[}\]])/g, "$1")) as {
  readonly packages: Readonly<Record<string, Entry>>
  readonly trustedDependencies?: ReadonlyArray<string>
}
const { dependencies, optionalDependencies, peerDependencies, devDependencies } = packageJson

describe("packages", () => {
  test("ours are named by exact versions; a peer may be newer by a patch", () => {
    const versions = Object.entries({
      ...devDependencies,
      ...dependencies,
      ...optionalDependencies,
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

  test("those that are installed with this one have permissive licences", () => {
    const found = new Set<string>()
    const walk = (name: string): void => {
      if (found.has(name) || lock.packages[name] === undefined) return
      found.add(name)
      const [, , facts] = lock.packages[name]
      Object.keys({ ...facts.dependencies, ...facts.optionalDependencies }).forEach(walk)
    }
    Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies }).forEach(walk)
    const licences = [...found].map((name) => {
      const { license } = JSON.parse(read(`node_modules/${name}/package.json`)) as { readonly license?: string }
      return [name, license] as const
    })
    const permissive = /^((Apache-2\.0|MIT|ISC|BSD-2-Clause|BSD-3-Clause)( AND )?)+$/
    expect(licences.filter(([, license]) => license === undefined || !permissive.test(license))).toEqual([])
    expect(licences.length).toBeGreaterThan(50)
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
    "src/images/codecs/wasm.ts",
    "src/kernels/wasm/binary.ts",
    "src/layers-model/adapter-files.ts",
    "src/models/hub/remote.ts",
    "src/serve/listener.ts",
    "src/studio/page/isolating-worker.ts",
    "src/studio/page/server-host.ts",
    "src/studio/page/worker/static-files.ts",
    "src/studio/page/worker/world.ts"
  ])
  const text = read("SECURITY.md")
  expect(found.filter((file) => !text.includes(`\`${file}\``))).toEqual([])
})
