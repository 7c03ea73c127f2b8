/**
 * Filters the lines that a native library writes directly to stderr, bypassing the runtime's streams: removes meaningless lines, and prints
 * the others afterwards. In Bun on Linux and macOS by the C library; in Node on Linux by this package's
 * (`kernels/c/node.c`), because Node cannot call the C library without a package. On other platforms the lines appear.
 *
 * Meanwhile the descriptor points to a file, and this thread does nothing else. If the process dies then, the file remains in the folder
 * for temporary files, with the last output of the library.
 */
import { closeSync, openSync, readFileSync, rmSync, writeSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import process from "node:process"
import { fileURLToPath } from "node:url"
import { foreign, openSystemLibrary } from "../ffi/index.ts"
import { libraryFile } from "../kernels/wasm/index.ts"
import { checked } from "./compiled-file.ts"

const STDERR = 2

/** As in C: a descriptor, or −1. */
interface Descriptors {
  readonly dup: (descriptor: number) => number
  readonly dup2: (from: number, to: number) => number
}

const ofBun = (): Descriptors | undefined => {
  const runtime = foreign()
  if ("reason" in runtime) return undefined
  try {
    const int = { result: "i32" } as const
    return openSystemLibrary(runtime, {
      dup: { ...int, parameters: ["i32"] },
      dup2: { ...int, parameters: ["i32", "i32"] }
    })
  } catch {
    return undefined
  }
}

const ofNode = (): Descriptors | undefined => {
  if (process.platform !== "linux") return undefined
  const opened = { exports: {} as Partial<Descriptors> }
  try {
    const url = libraryFile()
    checked("webgpu", url, readFileSync(url))
    process.dlopen(opened, fileURLToPath(url))
  } catch {
    // a single-file program has no library next to it, Node may be configured to open none, and a modified one is not opened
    return undefined
  }
  const { dup, dup2 } = opened.exports
  return dup && dup2 && { dup, dup2 }
}

const descriptorsOfRuntime = (): Descriptors | undefined => (process.versions["bun"] === undefined ? ofNode() : ofBun())

let descriptors: { readonly value: Descriptors | undefined } | undefined

/** Returns dup and dup2, or undefined if they cannot be called. */
const descriptorsHere = (): Descriptors | undefined => {
  descriptors ??= { value: descriptorsOfRuntime() }
  return descriptors.value
}

/** Checks whether lines can be filtered on this platform. */
export const linesCanBeLeftOut = (): boolean => descriptorsHere() !== undefined

/** Writes to stderr itself, whose reader may be slow or closed. */
const writeOn = (bytes: Uint8Array): void => {
  let sent = 0
  try {
    while (sent < bytes.length) sent += writeSync(STDERR, bytes, sent)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "EAGAIN") process.stderr.write(bytes.subarray(sent))
  }
}

/** Redirects stderr. Returns a function that restores it and prints the lines that are not `meaningless`, or undefined if that is not supported. */
const redirect = (meaningless: RegExp): (() => void) | undefined => {
  const symbols = descriptorsHere()
  if (symbols === undefined) return undefined
  const file = join(tmpdir(), `tfjs-lora-pro-stderr-${process.pid}-${Date.now()}.txt`)
  try {
    const aside = openSync(file, "wx", 0o600)
    const duplicate = symbols.dup(STDERR)
    if (duplicate < 0 || symbols.dup2(aside, STDERR) < 0) {
      closeSync(aside)
      rmSync(file)
      return undefined
    }
    closeSync(aside)
    return () => {
      symbols.dup2(duplicate, STDERR)
      closeSync(duplicate)
      // one character per byte: a driver's message may have any encoding
      const lines = readFileSync(file, "latin1").split(/(?<=\n)/)
      rmSync(file)
      writeOn(Buffer.from(lines.filter((line) => !meaningless.test(line)).join(""), "latin1"))
    }
  } catch {
    // no folder for the file: do not redirect
    return undefined
  }
}

/** Runs `act` without printing the `meaningless` lines that are written before it returns. */
export const withoutLines = <A>(meaningless: RegExp, act: () => A): A => {
  const putBack = redirect(meaningless)
  try {
    return act()
  } finally {
    putBack?.()
  }
}
