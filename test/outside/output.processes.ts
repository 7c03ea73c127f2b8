/**
 * stdout and stderr are input too: their reader may leave, their device may be full, and there may be a bug behind what is to be said.
 * Nothing of that goes unnoticed, none of it takes a training run along, and nobody is shown a stack.
 */
import { beforeAll, describe, expect, test } from "bun:test"
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs"
import { join } from "node:path"
import { cli, onWasm, TIMEOUT, tinyPlan, workspace } from "../e2e/fixtures.ts"
import { busyPlan, resultsOf } from "../e2e/runs.ts"

const w = workspace()
const STEPS = 12

const deno = Bun.which("deno")
const runtimes = [
  ["Bun", process.execPath],
  ...(deno === null ? [] : [["Deno", `${deno} run -A --node-modules-dir=manual`] as const])
] as const

/** A line of a shell, in which `$cli` is the command line; gives the code of the first command of its pipe. */
const shell = async (runtime: string, line: string) => {
  const child = Bun.spawn(["bash", "-c", `${line}; exit \${PIPESTATUS[0]}`], {
    cwd: w.directory,
    env: { ...process.env, cli: `${runtime} ${cli}` },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    timeout: TIMEOUT
  })
  const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()])
  return { code: await child.exited, stdout, stderr }
}

const train = (folder: string) => `$cli train busy.json --out ${folder}/busy ${onWasm.join(" ")}`
const predict = `$cli predict Bun-whole/busy "the film is good" ${onWasm.join(" ")}`

beforeAll(async () => {
  w.model("bert")
  w.write("busy.json", busyPlan("bert", STEPS))
  w.write("plan.json", tinyPlan("bert"))
  for (const [name, runtime] of runtimes) expect((await shell(runtime, train(`${name}-whole`))).code).toBe(0)
}, TIMEOUT)

describe.each(runtimes)("in %s", (name, runtime) => {
  test.each([
    ["--help", "$cli --help"],
    ["schema", "$cli schema"],
    ["predict", predict],
    ["predict --json", `${predict} --json`],
    ["validate", "$cli validate plan.json"],
    ["evaluate", `$cli evaluate Bun-whole/busy ${onWasm.join(" ")}`]
  ])(
    "%s on a full device is an error",
    async (_, command) => {
      const { code, stderr } = await shell(runtime, `${command} > /dev/full`)
      expect(stderr).toContain("cannot write to stdout: no space is left on the device; the output is incomplete")
      expect(code).toBe(1)
    },
    TIMEOUT
  )

  test(
    "a reader that leaves ends a command quietly",
    async () => {
      expect(await shell(runtime, "$cli schema | true")).toEqual({ code: 0, stdout: "", stderr: "" })
      // ends before its input does
      const endless = `yes "the film is good" | (${predict.replace(/"[^"]*"/, "-")}; echo "code $?" >&2) | head -1`
      const { stdout, stderr } = await shell(runtime, endless)
      expect(stdout).toMatch(/^\w+ \(.*%\)\tthe film is good\n$/)
      expect(stderr).toEndWith("code 0\n")
    },
    TIMEOUT
  )

  test.each([
    ["whose reader leaves", "2>&1 | head -1", 0],
    ["whose progress has a full device", "2> /dev/full", 0],
    ["all of whose output has a full device", "> /dev/full 2>&1", 1],
    ["whose output is closed", ">&- 2>&-", 0]
  ])(
    "a run %s trains to its end",
    async (_, output, expected) => {
      const folder = `${name}-${output.replaceAll(/\W/g, "")}`
      const { code } = await shell(runtime, `${train(folder)} ${output}`)
      expect(code).toBe(expected)
      expect(resultsOf(w, `${folder}/busy`)).toEqual(resultsOf(w, `${name}-whole/busy`))
    },
    TIMEOUT
  )
})

describe("a bug", () => {
  const found = () => readdirSync(w.directory).filter((file) => file.startsWith("tfjs-lora-pro-error-"))

  const buggy = async (bug: string) => {
    const before = found()
    const child = Bun.spawn(
      [
        process.execPath,
        join(import.meta.dir, "buggy-cli.ts"),
        "validate",
        "plan.json",
        "--set",
        "x=http://me:pw@host"
      ],
      { cwd: w.directory, env: { ...process.env, BUG: bug }, stdout: "pipe", stderr: "pipe", timeout: TIMEOUT }
    )
    const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()])
    const code = await child.exited
    const [file] = found().filter((one) => !before.includes(one))
    return { code, stdout, stderr, file: file! }
  }

  test.each([
    ["defect", "Error: \\u001b[31mpostgres://***@host/db: this is a bug"],
    ["stack", "RangeError: Maximum call stack size exceeded"],
    ["memory", "out of memory (RangeError: "],
    ["timer", "this is a bug"],
    ["rejection", "Error: a promise of nobody: this is a bug"],
    ["worker", "Error: in a worker: this is a bug"]
  ])(
    "(%s) ends in one sentence and a report that others cannot read",
    async (bug, says) => {
      const { code, stdout, stderr, file } = await buggy(bug)
      expect(code).toBe(70)
      expect(stdout).toBe("")
      expect(stderr).toStartWith("\nERROR\n  ")
      expect(stderr).toContain(says)
      expect(stderr).toContain(`the report is in ${join(w.directory, file)}`)
      expect(stderr.trim().split("\n")).toHaveLength(2)
      expect(statSync(w.path(file)).mode & 0o777).toBe(0o600)
      const text = readFileSync(w.path(file), "utf8")
      expect(text).toContain("command: validate plan.json --set x=http://***@host\n")
      expect(text).toContain("tfjs-lora-pro 0.")
      expect(text).not.toContain("se/cret")
      if (bug === "defect") expect(text).toMatch(/buggy-cli\.ts:\d+[\s\S]*caused by[\s\S]*undefined is not/)
      expect(readdirSync(w.directory).filter((one) => one.includes(".tmp-"))).toEqual([])
    },
    TIMEOUT
  )

  test("(in a folder that cannot be written) has its report among the temporary files", async () => {
    // for root every folder can be written
    const line = `cd /proc && BUG=defect $bun ${join(import.meta.dir, "buggy-cli.ts")} validate ${w.path("plan.json")}`
    const { code, stderr } = await shell("", line.replace("$bun", process.execPath))
    expect(code).toBe(70)
    const [, file] = /the report is in (\S+)/.exec(stderr)!
    expect(file).not.toStartWith("/proc")
    expect(existsSync(file!)).toBe(true)
    rmSync(file!)
  })
})
