/**
 * The command line, one command after the other in one process: what comes is arguments, a working directory and what stands on stdin;
 * what goes back is what a process of its own would have left, its exit code and its output.
 */
import { Readable } from "node:stream"
import { fileURLToPath } from "node:url"
import { format } from "node:util"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import { program } from "../../src/bin/main.ts"
import { platform } from "../../src/platform.ts"

const cli = fileURLToPath(new URL("../../src/bin/tfjs-lora-pro.ts", import.meta.url))

interface Request {
  readonly args: ReadonlyArray<string>
  readonly cwd: string
  readonly stdin: string | undefined
}

let stdout = ""
let stderr = ""
const keep =
  (add: (text: string) => void) =>
  (text: string | Uint8Array, done?: unknown): boolean => {
    add(typeof text === "string" ? text : new TextDecoder().decode(text))
    if (typeof done === "function") done()
    return true
  }
const toStdout = keep((text) => (stdout += text))
const toStderr = keep((text) => (stderr += text))
Object.assign(process.stdout, { write: toStdout })
Object.assign(process.stderr, { write: toStderr })
for (const [write, names] of [
  [toStdout, ["log", "info", "debug"]],
  [toStderr, ["error", "warn", "trace"]]
] as const)
  for (const name of names) console[name] = (...values: ReadonlyArray<unknown>) => void write(`${format(...values)}\n`)

const run = Runtime.makeRunMain(({ fiber, teardown }) => {
  fiber.addObserver((exit) => teardown(exit, (code) => process.send!({ code, stdout, stderr })))
})

process.on("message", ({ args, cwd, stdin }: Request) => {
  process.chdir(cwd)
  process.argv = [process.execPath, cli, ...args]
  Object.defineProperty(process, "stdin", {
    value: Readable.from(stdin === undefined ? [] : [Buffer.from(stdin)]),
    configurable: true
  })
  stdout = ""
  stderr = ""
  run(program(platform).pipe(Effect.asVoid))
})
process.on("disconnect", () => process.exit())
