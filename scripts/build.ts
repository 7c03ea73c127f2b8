/**
 * Builds the npm package into `dist/`: JavaScript and declarations, the studio's page, README with docs/ and all pages that they lead to, and the
 * included models and data, with which `new` and `train` begin (`npm publish dist`).
 *
 * The repository itself runs from its TypeScript sources; this is for everyone else's node_modules. Another folder than `dist/` is the
 * argument.
 */
import { spawnSync } from "node:child_process"
import { cpSync, existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join, relative, resolve } from "node:path"
import ownPackage from "../package.json" with { type: "json" }
import { isFolder, pageOf, placeOf, reachable, repository as root, textOf, wayTo, withLinks } from "./pages.ts"
import { tfjsParts } from "./tfjs-parts.ts"

const dist = resolve(root, process.argv[2] ?? "dist")

rmSync(dist, { recursive: true, force: true })
const run = (command: string, ...args: ReadonlyArray<string>): void => {
  const { status } = spawnSync(command, args, { cwd: root, stdio: "inherit" })
  if (status !== 0) process.exit(1)
}
run("bunx", "tsc", "-p", "tsconfig.build.json", "--outDir", dist)
for (const [file, text] of Object.entries(await tfjsParts())) writeFileSync(join(dist, file), text)

// the studio's page as a browser has it: what it is made of is not installed with the package
const page = join(root, "src", "studio", "page")
const built = join(dist, "src", "studio", "built-page")
const options = ["--config", join(page, "vite.config.ts"), "--outDir", built, "--emptyOutDir", "--logLevel", "warn"]
run(process.execPath, join(root, "node_modules", "vite", "bin", "vite.js"), "build", page, ...options)

const copied = [
  "LICENSE",
  "schemas/run-plan.schema.json",
  "schemas/adaptation-plan.schema.json",
  ...globSync("src/**/*.{cjs,wasm,so,dylib,dll}", { cwd: root }),
  ...globSync("examples/{models/{minilm,mobilenet},data/movies}/*", { cwd: root }),
  "examples/plans/movies-lora-pro-full.json"
]
const copy = (file: string): void => {
  mkdirSync(dirname(join(dist, file)), { recursive: true })
  cpSync(join(root, file), join(dist, file))
}
copied.forEach(copy)

/** Not for who installs the package: there is nothing to change or to test in it. */
const isOfClones = (page: string) => page === "CONTRIBUTING.md" || page.startsWith("test/")

const pages = new Set(
  [...reachable(["README.md", "CHANGELOG.md", ...globSync("docs/*.md", { cwd: root })])].filter(
    (page) => !isOfClones(page)
  )
)

/** Where the package has what a page leads to; null where it has not: what is for clones, and folders without a page. */
const packaged = (path: string): string | null => {
  const page = pageOf(path)
  if (page !== undefined) return pages.has(page) ? path : null
  const compiled = path.replace(/\.ts$/, ".js")
  if (existsSync(join(dist, compiled))) return isFolder(path) ? null : compiled
  if (isFolder(path) || !/^(examples|bench|schemas)\//.test(path)) return null
  copy(path)
  return path
}
for (const page of pages) {
  const text = withLinks(textOf(page), (target) => {
    const place = placeOf(page, target)
    if (place === undefined || place.path === page) return target
    const path = packaged(place.path)
    return path === null ? null : `${wayTo(page, path)}${place.anchor}`
  })
  mkdirSync(dirname(join(dist, page)), { recursive: true })
  writeFileSync(join(dist, page), text)
}

const { devDependencies: _, scripts: __, ...published } = ownPackage
const js = (file: string) => file.replace(/\.ts$/, ".js")
const exports = Object.fromEntries(
  Object.entries(ownPackage.exports).map(([name, file]) => [
    name,
    file.endsWith(".ts") ? { types: file.replace(/\.ts$/, ".d.ts"), default: js(file) } : file
  ])
)
const bin = Object.fromEntries(Object.entries(ownPackage.bin).map(([name, file]) => [name, js(file)]))
// In the repository Bun runs it; whoever has npm has Node, and where there is none Bun answers to its name.
for (const file of Object.values(bin)) {
  const path = join(dist, file)
  writeFileSync(path, readFileSync(path, "utf8").replace(/^#!.*$/m, "#!/usr/bin/env node"))
}
const sideEffects = ownPackage.sideEffects.map(js)
const browser = Object.fromEntries(Object.entries(ownPackage.browser).map((files) => files.map(js)))
const manifest = { ...published, sideEffects, bin, exports, browser }
writeFileSync(join(dist, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`)
console.log(`built ${ownPackage.name} ${ownPackage.version} in ${relative(root, dist)}/`)
