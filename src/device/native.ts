/**
 * The native device: the wasm device with machine code on the same memory for the heavy kernels (`src/kernels/native`). This file checks
 * whether the process supports it.
 */
import { spawn } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import process from "node:process"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import { messageOf } from "../boundary/index.ts"
import { foreign } from "../ffi/index.ts"
import { libraryFile } from "../kernels/wasm/index.ts"
import { checked } from "./compiled-file.ts"
import { denied } from "./deno-permissions.ts"
import { DeviceError, openingError } from "./device-error.ts"

/** Next to this file and with its extension: .ts in the repository, .js in the package. */
const PROBE = new URL(`./native-probe${import.meta.url.slice(import.meta.url.lastIndexOf("."))}`, import.meta.url)

/** Milliseconds; the probe takes 50. */
const TIMEOUT = 10_000

interface Deno {
  readonly build: { readonly standalone?: boolean }
}

/** Returns what prevents this process from opening any library: a clause and its remedy. */
const obstacle = (): readonly [reason: string, remedy: string] | undefined => {
  const { Deno: deno } = globalThis as { readonly Deno?: Deno }
  if (deno !== undefined) {
    if (deno.build.standalone === true) return ["a compiled program has no package files to open", ""]
    const missing = denied(["ffi", "run", "read"])
    return missing.length === 0
      ? undefined
      : [
          `Deno does not allow it to open a library`,
          `run it with ${missing.map((name) => `--allow-${name}`).join(" ")}`
        ]
  }
  const ffi = foreign()
  return "reason" in ffi ? [ffi.reason, ffi.remedy] : undefined
}

interface Answer {
  readonly instructions?: string
  readonly reason?: string
}

/** Probes a library in a separate process. Never rejects. */
export const probe = (file: string): Promise<Answer> =>
  new Promise<Answer>((resolve) => {
    const script = fileURLToPath(PROBE)
    const args = "Deno" in globalThis ? ["run", "--no-prompt", "--allow-all", script, file] : [script, file]
    // a compiled program would start itself; this variable makes it run as Bun
    const env = { ...process.env, BUN_BE_BUN: "1" }
    const child = spawn(process.execPath, args, { env, stdio: ["ignore", "pipe", "ignore"], timeout: TIMEOUT })
    let text = ""
    child.stdout.on("data", (bytes: Buffer) => {
      text += bytes.toString()
    })
    child.once("error", (cause) => resolve({ reason: messageOf(cause) }))
    child.once("close", (code, signal) => {
      try {
        resolve(JSON.parse(text))
      } catch {
        resolve({
          reason: `a process that computed with it ended ${signal === null ? `with exit code ${code}` : `by ${signal}`}`
        })
      }
    })
    // Node under --permission starts no process
  }).catch((cause) => ({ reason: messageOf(cause) }))

const failure = (reason: string, remedy: string) =>
  Effect.fail(new DeviceError({ device: "native", site: "opening", reason, remedy }))

const REMEDY = "the wasm device works everywhere (--device wasm)"

/** Returns the native library after probing it in another process. Fails if there is none, or if it does not compute. */
const tried = Effect.gen(function* () {
  const [reason, remedy] = obstacle() ?? []
  if (reason !== undefined) return yield* failure(reason, remedy || REMEDY)
  const url = libraryFile()
  if (url.protocol !== "file:" || !existsSync(url))
    return yield* failure(`there is no library for ${process.platform} on ${process.arch}`, REMEDY)
  const file = fileURLToPath(url)
  yield* Effect.try({
    try: () => checked("native", url, readFileSync(url)),
    catch: openingError("native", REMEDY)
  })
  const answer = yield* Effect.promise(() => probe(file))
  return answer.reason === undefined ? file : yield* failure(`${file}: ${answer.reason}`, REMEDY)
})

/** Evaluated once per process. */
export const nativeLibrary: Effect.Effect<string, DeviceError> = Effect.runSync(Effect.cached(tried))
