/**
 * Programs that a model has written can do nothing but compute, for a while: whatever runtime starts them. Each hostile program here ends without an
 * error only if it did what it tried, and says "done" somewhere outside if it can.
 */
import { afterAll, describe, expect, test } from "bun:test"
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { ProgramLanguage, ProgramOutcome } from "../../../src/scoring/index.ts"
import { nodeRuntime } from "../../runtime/node-folder.ts"
import { END_TIMEOUT, type Runtime, runScript, runtimes } from "../../runtime/runtimes.ts"

const folder = mkdtempSync(join(tmpdir(), "programs-test-"))
let connections = 0
const answer = () => {
  connections++
  return new Response("open")
}
const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: answer })
afterAll(async () => {
  rmSync(folder, { recursive: true })
  await server.stop(true)
})

type Program = readonly [ProgramLanguage, string]

const outcomesIn = async (
  runtime: Runtime,
  programs: ReadonlyArray<Program>,
  options: object = {}
): Promise<ReadonlyArray<ProgramOutcome | string>> => {
  const file = join(folder, `${runtime.name}-${crypto.randomUUID()}.json`)
  writeFileSync(file, JSON.stringify(programs))
  const { code, output, stderr } = await runScript(
    runtime,
    "../src/scoring/programs-child.ts",
    file,
    JSON.stringify(options)
  )
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
  return output.outcomes
}

const [bun] = runtimes
const everywhere = [...runtimes, ...nodeRuntime()]
const mark = join(folder, "mark")
const secret = join(folder, "secret")
writeFileSync(secret, "the secret")
const module = join(folder, "module.ts")
writeFileSync(module, "export type A = number\nexport const found: A = 1")
const quoted = JSON.stringify
const port = server.port

describe.skipIf(runtimes.length < 2)("confined programs", () => {
  test.each(everywhere)(
    "pass or fail by their tests in every language, started from $name",
    async (runtime) => {
      const outcomes = await outcomesIn(runtime, [
        ["python", "def add(a, b):\n    return a + b\nassert add(1, 2) == 3"],
        ["python", "def add(a, b):\n    return a - b\nassert add(1, 2) == 3, 'a sum'"],
        ["python", "def add(a, b)\n    return a"],
        ["python", "print('x' * 10_000_000)"],
        ["javascript", "const add = (a, b) => a + b\nif (add(1, 2) !== 3) throw new Error('a sum')"],
        ["javascript", "const add = (a, b) => a - b\nif (add(1, 2) !== 3) throw new Error('a sum')"],
        ["javascript", "const add: (a: number) => number = 1"],
        [
          "typescript",
          "const add = (a: number, b: number): number => a + b\nif (add(1, 2) !== 3) throw new Error('a sum')"
        ],
        [
          "typescript",
          "const add = (a: number, b: number): number => a - b\nif (add(1, 2) !== 3) throw new Error('a sum')"
        ]
      ])
      expect(outcomes).toEqual([
        { passed: true },
        { passed: false, reason: "AssertionError: a sum" },
        { passed: false, reason: "SyntaxError: expected ':'" },
        { passed: true },
        { passed: true },
        { passed: false, reason: "a sum" },
        { passed: false, reason: expect.stringContaining("Missing initializer") },
        { passed: true },
        { passed: false, reason: "a sum" }
      ])
    },
    END_TIMEOUT
  )

  const reaching: ReadonlyArray<Program> = [
    ["python", `import os\nassert os.system("touch ${mark}") == 0`],
    ["python", `import subprocess\nsubprocess.run(["touch", ${quoted(mark)}], check=True)`],
    ["python", "import os\nos.fork()"],
    ["python", "import os\nos.execv('/bin/sh', ['sh'])"],
    ["python", `print(open(${quoted(secret)}).read())`],
    ["python", `import ctypes\nctypes.CDLL("libc.so.6").system(b"touch ${mark}")`],
    ["python", `import urllib.request\nurllib.request.urlopen("http://127.0.0.1:${port}").read()`],
    ["python", `import socket\nsocket.create_connection(("127.0.0.1", ${port})).send(b"GET / HTTP/1.0\\r\\n\\r\\n")`],
    ["python", "import js\nassert js.Deno is not None"],
    ["python", "from pyodide.code import run_js\nrun_js('Deno.readTextFileSync')"],
    [
      "python",
      `from pyodide.code import run_js\nassert "secret" in run_js('Deno.readTextFileSync(${quoted(secret)})')`
    ],
    [
      "python",
      `import pyodide_js\npyodide_js.mountNodeFS("/host", ${quoted(folder)})\nprint(open("/host/secret").read())`
    ],
    [
      "python",
      `import pyodide_js\nF = pyodide_js.constructor.constructor\nassert F('return Deno.readTextFileSync(${quoted(secret)})')()`
    ],
    [
      "python",
      `import pyodide_js\nF = pyodide_js.constructor.constructor\nF('new Deno.Command("touch", { args: [${quoted(mark)}] }).outputSync()')()`
    ],
    ["python", "import pyodide_js\npyodide_js.constructor.constructor('return Deno.env.get(\"PATH\").length')()"],
    ["javascript", `Deno.readTextFileSync(${quoted(secret)})`],
    ["javascript", `Deno.writeTextFileSync(${quoted(mark)}, "")`],
    ["javascript", `new Deno.Command("touch", { args: [${quoted(mark)}] }).outputSync()`],
    ["javascript", `(await import("node:child_process")).execSync("touch ${mark}")`],
    ["javascript", `(await import("node:fs")).readFileSync(${quoted(secret)})`],
    ["javascript", 'Deno.env.get("PATH")'],
    ["javascript", 'Deno.dlopen("libc.so.6", { abs: { parameters: ["i32"], result: "i32" } })'],
    ["javascript", `await fetch("http://127.0.0.1:${port}")`],
    ["javascript", `await Deno.connect({ hostname: "127.0.0.1", port: ${port} })`],
    ["javascript", `await import("http://127.0.0.1:${port}/a.js")`],
    ["javascript", 'await import("npm:is-odd")'],
    // a name that stands in the text of a module is read before the module runs
    ["javascript", `await import("file://${secret}")`],
    ["javascript", `await import("file://${module}")`],
    ["javascript", `import { found } from "file://${module}"\nif (found !== 1) throw new Error("not the module")`],
    [
      "javascript",
      `import text from "file://${secret}" with { type: "text" }\nif (text === "") throw new Error("empty")`
    ],
    ["javascript", `await import("data:text/javascript," + encodeURIComponent('import "file://${module}"'))`],
    [
      "javascript",
      `await import(URL.createObjectURL(new Blob(['import "file://${module}"'], { type: "text/javascript" })))`
    ],
    ["typescript", `import { found } from "file://${module}"\nif (found !== 1) throw new Error("not the module")`],
    ["javascript", "Deno.listen({ port: 0 })"],
    ["javascript", "Deno.kill(Deno.ppid, 'SIGKILL')"],
    ["javascript", "Deno.serve(() => new Response())"],
    [
      "javascript",
      `const code = 'Deno.readTextFileSync(${quoted(secret).replaceAll('"', '\\"')}); postMessage(1)'
const worker = new Worker("data:text/javascript," + encodeURIComponent(code.replaceAll("\\\\", "")), { type: "module" })
await new Promise((done, fail) => { worker.onmessage = done; worker.onerror = (e) => { e.preventDefault(); fail(new Error(e.message)) } })`
    ],
    ["typescript", `const text: string = Deno.readTextFileSync(${quoted(secret)})`]
  ]

  /** What Deno says of a permission, and Pyodide of what it lacks or cannot see. */
  const denied =
    /^(.*: )?(Requires \w+ access|npm specifiers were requested)|does not support processes|not implemented|Exec format error|No such file|Unexpected call to locateFile|Host is unreachable|AttributeError: Deno|cannot import name 'eval'|does not exist/

  test(
    "reach no file, no process, no address and no variable",
    async () => {
      const outcomes = await outcomesIn(bun!, reaching)
      const reasons = outcomes.map((outcome, i) => [reaching[i]![1], outcome])
      expect(reasons).toEqual(
        reaching.map(([, source]) => [source, { passed: false, reason: expect.stringMatching(denied) }])
      )
      expect([existsSync(mark), connections]).toEqual([false, 0])
    },
    END_TIMEOUT
  )

  test(
    "say nothing about their own verdict",
    async () => {
      const ended = { passed: false, reason: "it ended its process" }
      const programs: ReadonlyArray<readonly [...Program, unknown]> = [
        ["python", "import os\nos._exit(0)", { passed: false, reason: "Program terminated with exit(0)" }],
        ["python", "import sys\nsys.exit(0)", { passed: false, reason: "SystemExit: 0" }],
        ["python", "print('passed')\nassert False", { passed: false, reason: "AssertionError" }],
        ["javascript", "Deno.exit(0)", ended],
        ["javascript", "(await import('node:process')).exit(0)", ended],
        ["javascript", "await new Promise(() => {})", ended],
        ["javascript", "console.log('\\n passed\\n'); throw new Error('no')", { passed: false, reason: "no" }],
        [
          "javascript",
          `const all = Object.getPrototypeOf(Deno.stdout)
all.writeSync = () => 1; TextEncoder.prototype.encode = () => new Uint8Array(0); JSON.stringify = () => ' passed\\n'
Object.prototype.message = 'passed'; Array.prototype.join = () => 'passed'; throw new Error('no')`,
          { passed: false, reason: "no" }
        ],
        ["javascript", "throw { get message() { console.log('x'.repeat(1e6)); throw 1 } }", ended]
      ]
      const outcomes = await outcomesIn(
        bun!,
        programs.map(([language, source]) => [language, source])
      )
      expect(outcomes).toEqual(programs.map(([, , outcome]) => outcome as ProgramOutcome))
    },
    END_TIMEOUT
  )

  test(
    "end at their limit of time",
    async () => {
      const late = { passed: false, reason: "it took longer than 4.0 s" }
      const programs: ReadonlyArray<readonly [...Program, ProgramOutcome]> = [
        ["python", "while True: pass", late],
        ["python", "import re\nre.match('(a+)+$', 'a' * 64 + 'b')", late],
        ["python", "import time\ntime.sleep(3600)", late],
        ["javascript", "for (;;);", late],
        ["javascript", "await new Promise((done) => setTimeout(done, 3.6e6))", late],
        ["javascript", "Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)", late],
        ["javascript", "/(a+)+$/.test('a'.repeat(64) + 'b')", late]
      ]
      const outcomes = await outcomesIn(
        bun!,
        programs.map(([language, source]) => [language, source]),
        { seconds: 4 }
      )
      expect(outcomes).toEqual(programs.map(([, , outcome]) => outcome))
    },
    END_TIMEOUT
  )

  test(
    "end at their limits of memory and depth",
    async () => {
      const programs: ReadonlyArray<readonly [...Program, unknown]> = [
        ["python", "bytearray(2 * 10 ** 9)", { passed: false, reason: "MemoryError" }],
        [
          "python",
          "kept = []\nwhile True: kept.append('x' * 10 ** 7 + str(len(kept)))",
          { passed: false, reason: "MemoryError" }
        ],
        [
          "javascript",
          "const all = []; for (;;) all.push(new Uint8Array(1e8).fill(1))",
          { passed: false, reason: "it took more than 1 GB" }
        ],
        ["javascript", "const all = []; for (;;) all.push({ all })", { passed: false, reason: expect.any(String) }],
        ["python", "def f(n): return f(n + 1)\nf(0)", { passed: false, reason: expect.any(String) }],
        ["python", "exec('(' * 100_000)", { passed: false, reason: expect.any(String) }]
      ]
      // more than any of them needs on a busy machine
      const outcomes = await outcomesIn(
        bun!,
        programs.map(([language, source]) => [language, source]),
        { seconds: 120 }
      )
      expect(outcomes).toEqual(programs.map(([, , outcome]) => outcome as ProgramOutcome))
    },
    END_TIMEOUT
  )
})
