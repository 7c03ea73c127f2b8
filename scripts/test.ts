/**
 * The parts of the tests, each in a `bun test` of its own:
 *
 *   bun scripts/test.ts fast                          what `bun run test` runs after types and lint
 *   bun scripts/test.ts webgpu processes              these, one after the other
 *   bun scripts/test.ts all
 *
 * A test file belongs to the part that its name ends with. The files that test the same laws on every backend are run by two parts:
 * `fast` runs them on the CPU and on wasm, `webgpu` runs their GPU tests, `processes` runs them on native.
 */
import { readFileSync } from "node:fs"
import { join } from "node:path"

interface Part {
  readonly suffix: string
  readonly what: string
  /** number of test files to run in parallel */
  readonly parallel: number
}

export const parts = {
  fast: {
    suffix: ".test.ts",
    what: "laws, goldens, units, one end-to-end run of each kind: no GPU, no network",
    // one more than the cores that most machines have: tests wait for processes and for clocks
    parallel: 3
  },
  webgpu: { suffix: ".webgpu.ts", what: "GPU kernels and devices, and the laws again on webgpu", parallel: 2 },
  processes: {
    suffix: ".processes.ts",
    what: "the command line as users meet it: runtimes, signals, faults, fuzz; and the laws again on native",
    parallel: 2
  },
  browsers: { suffix: ".browser.ts", what: "pages in Chromium", parallel: 2 },
  // those about memory look at processes of their own
  long: {
    suffix: ".long.ts",
    what: "kill suites, studies, every method's losses in every runtime, language models",
    parallel: 2
  }
} as const satisfies Record<string, Part>

export type PartName = keyof typeof parts
export const partNames = Object.keys(parts) as ReadonlyArray<PartName>

const repository = join(import.meta.dir, "..")

const filesOf = (name: PartName): ReadonlyArray<string> =>
  [...new Bun.Glob(`test/**/*${parts[name].suffix}`).scanSync(repository)].sort()

/** Does this file have tests for a GPU beside others? It chooses its backends by test/backends.ts, or by the kernels' laws, which do. */
const hasGpuTests = (file: string): boolean => {
  const text = readFileSync(join(repository, file), "utf8")
  return /from ".*\/(backends|laws)\.ts"/.test(text) && /\b(describeOnEach|describeLaws|webgpu)\b/.test(text)
}

/** Does it choose its backends there at all? */
const hasBackends = (file: string): boolean =>
  /from ".*\/(backends|laws)\.ts"/.test(readFileSync(join(repository, file), "utf8"))

interface Job {
  readonly files: ReadonlyArray<string>
  readonly parallel: number
  readonly flags: ReadonlyArray<string>
  readonly env: Readonly<Record<string, string>>
}

/**
 * For the fast files, which open wasm hundreds of times in one process. JavaScriptCore reserves addresses for four wasm memories; for one more
 * it first collects all garbage, 50 to 200 ms in a process that has loaded everything.
 */
const manyMemories = { BUN_JSC_maxNumWasmFastMemories: "64" }

/** Returns the `bun test` calls of a part. */
export const jobsOf = (name: PartName): ReadonlyArray<Job> => {
  const env = name === "fast" ? manyMemories : {}
  const own: Job = { files: filesOf(name), parallel: parts[name].parallel, flags: [], env }
  if (name === "processes") {
    // sums have another order there than in references: what compares bits is about wasm
    const pattern = ["--test-name-pattern", "^(?!.*\\bbits?\\b).*\\bnative\\b"]
    const files = filesOf("fast").filter(hasBackends)
    return [own, { ...own, files, flags: pattern, env: { ...manyMemories, TEST_BACKENDS: "native" } }]
  }
  if (name !== "webgpu") return [own]
  const laws = { ...own, files: filesOf("fast").filter(hasGpuTests), flags: ["--test-name-pattern", "webgpu|GPU"] }
  return [own, laws].map((job) => ({ ...job, env: { TEST_BACKENDS: "webgpu" } }))
}

interface Counts {
  readonly passed: number
  readonly failed: number
  /** the failed tests, each with its file and what bun said of it, for the end: that may be thousands of lines before it */
  readonly failures: ReadonlyArray<string>
}

/** Lines of what is said of a failed test that are repeated at the end. */
const LONGEST_FAILURE = 60

/** Passes everything on as it comes, and keeps the end, where bun counts, and the failed tests, each under its file. */
const relay = async (from: ReadableStream<Uint8Array>, to: NodeJS.WriteStream) => {
  const decoder = new TextDecoder()
  // by what bun says of them: it repeats the failures of a long run at its end
  const failures = new Map<string, string>()
  let end = ""
  let file = ""
  let rest = ""
  // since the test before
  let said: Array<string> = []
  for await (const bytes of from) {
    to.write(bytes)
    const text = decoder.decode(bytes, { stream: true })
    end = (end + text).slice(-10_000)
    const lines = (rest + text).split("\n")
    rest = lines.pop() as string
    for (const line of lines) {
      if (/^\S+\.ts:$/.test(line)) file = line.slice(0, -1)
      if (line.startsWith("(fail) ") && !failures.has(line)) {
        const test = line.replace(/^\(fail\) /, "").replace(/ \[[\d.]+m?s\]$/, "")
        failures.set(line, [`failed: ${file} > ${test}`, ...said.slice(-LONGEST_FAILURE)].join("\n  "))
      }
      if (/^\((?:pass|fail|skip|todo)\) |^\S+\.ts:$/.test(line)) said = []
      else if (line.trim() !== "") said.push(line)
    }
  }
  return { end, failures: [...failures.values()] }
}

const none: Counts = { passed: 0, failed: 0, failures: [] }

const sum = (a: Counts, b: Counts): Counts => ({
  passed: a.passed + b.passed,
  failed: a.failed + b.failed,
  failures: [...a.failures, ...b.failures]
})

const countIn = (text: string, word: "pass" | "fail"): number =>
  Number([...text.matchAll(new RegExp(`^ *(\\d+) ${word}$`, "gm"))].at(-1)?.[1] ?? 0)

/** A part that ends without counts, or with an exit code that they do not explain, counts as one more failure. */
const runJob = async ({ files, parallel, flags, env }: Job): Promise<Counts> => {
  const sharing = parallel > 1 ? [`--parallel=${parallel}`, "--no-isolate"] : []
  const names = files.map((file) => `./${file}`)
  // a test has three minutes: bun's own five seconds are short for two busy cores
  const child = Bun.spawn([process.execPath, "test", "--timeout", "180000", ...sharing, ...flags, ...names], {
    cwd: repository,
    env: { ...process.env, ...env },
    stdout: "inherit",
    stderr: "pipe"
  })
  const { end, failures } = await relay(child.stderr, process.stderr)
  const failed = countIn(end, "fail")
  return {
    passed: countIn(end, "pass"),
    failed: (await child.exited) === 0 ? failed : Math.max(1, failed),
    failures
  }
}

if (import.meta.main) {
  const asked = process.argv.slice(2)
  const unknown = asked.filter((name) => name !== "all" && !(name in parts))
  if (asked.length === 0 || unknown.length > 0) {
    console.error(`expected parts: all, or of ${partNames.join(", ")}; found ${unknown.join(", ") || "none"}`)
    process.exit(1)
  }
  let total = none
  for (const name of partNames.filter((one) => asked.includes(one) || asked.includes("all"))) {
    const started = performance.now()
    console.error(`\n${name}: ${parts[name].what}`)
    let own = none
    for (const job of jobsOf(name)) own = sum(own, await runJob(job))
    const seconds = Math.round((performance.now() - started) / 1000)
    console.error(`${name}: ${own.passed} passed, ${own.failed} failed, ${seconds} s`)
    total = sum(total, own)
  }
  const left = partNames.filter((name) => !asked.includes(name) && !asked.includes("all"))
  if (left.length > 0) console.error(`not run: ${left.join(", ")} (bun run test:all runs every part)`)
  for (const failure of total.failures) console.log(failure)
  console.log(`${total.passed} passed, ${total.failed} failed`)
  process.exit(total.failed === 0 ? 0 : 1)
}
