/** Every test belongs to one part, and every part is run: by `bun run test:all`, and so by CI. */
import { expect, test } from "bun:test"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import ownPackage from "../package.json" with { type: "json" }
import { jobsOf, partNames, parts } from "../scripts/test.ts"

const repository = join(import.meta.dir, "..")
const textOf = (file: string) => readFileSync(join(repository, file), "utf8")

test("a file with tests belongs to one part, by its name, and no other file is in one", () => {
  const suffixes = partNames.map((name) => parts[name].suffix)
  const wrong = [...new Bun.Glob("test/**/*.ts").scanSync(repository)].filter((file) => {
    const belongs = suffixes.filter((suffix) => file.endsWith(suffix)).length
    // what tests share defines some for them, and imports `test` from bun too, but is called by them
    return belongs > 1 || (belongs === 0 && /^(test|describe)(\.\w+\(.*\))?\(/m.test(textOf(file)))
  })
  expect(wrong).toEqual([])
  for (const name of partNames) expect([name, jobsOf(name)[0]!.files.length > 0]).toEqual([name, true])
})

test("tests that need a GPU are run in the part that has one", () => {
  const [own, laws] = jobsOf("webgpu")
  expect(own!.files.every((file) => file.endsWith(".webgpu.ts"))).toBe(true)
  for (const file of ["src/kernels/laws", "src/kernels/gelu", "laws/riemannian.laws", "src/kernels/dropout"])
    expect(laws!.files).toContain(`test/${file}.test.ts`)
  // no other fast file opens a GPU, which this machine may have and the next one not
  const opens = jobsOf("fast")[0]!.files.filter((file) =>
    /layer\("webgpu"|onWebgpu\(|setBackend\("webgpu"/.test(textOf(file))
  )
  expect(opens.filter((file) => !laws!.files.includes(file))).toEqual([])
})

test("bun run test is the fast part; each other has a command; test:all and CI run all", () => {
  const { test: fast, "test:all": all, ...scripts } = ownPackage.scripts
  expect(fast).toBe("bun run check && bun scripts/test.ts fast")
  expect(all).toBe("bun run check && bun scripts/test.ts all")
  const others = Object.entries(scripts).filter(([name]) => name.startsWith("test:"))
  expect(Object.fromEntries(others)).toEqual(
    Object.fromEntries(
      partNames.filter((name) => name !== "fast").map((name) => [`test:${name}`, `bun scripts/test.ts ${name}`])
    )
  )
  expect(textOf(".ci/run")).toMatch(/^bun run test:all$/m)
})

test("test/README.md names files and tests that are there", () => {
  const readme = textOf("test/README.md")
  const named = [...readme.matchAll(/`((?:[\w-]+\/)*[\w.-]+\.ts)`/g)].map(([, file]) => file!)
  const missing = named.filter((file) => ![file, `test/${file}`].some((one) => existsSync(join(repository, one))))
  expect(missing).toEqual([])
  // the table of faults: file › test
  const proofs = [...readme.matchAll(/\| `([\w/.-]+\.ts)` › (.*?):? \|$/gm)]
  expect(proofs.length).toBeGreaterThan(30)
  const unproven = proofs.filter(([, file, name]) => !textOf(`test/${file!}`).includes(name!))
  expect(unproven.map(([line]) => line)).toEqual([])
})
