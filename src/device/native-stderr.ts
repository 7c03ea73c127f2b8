/**
 * What a native library writes to stderr by itself, past every stream of the runtime, while it is called: lines that mean nothing are
 * left out, all others are written afterwards. In Bun on Linux and macOS, by the C library; in Node on Linux, by our own
 * (`kernels/c/node.c`), because Node can call no other. Elsewhere the lines appear.
 *
 * The descriptor is a file for that time, in which this thread does nothing else. Where the process dies in it, the file stays in the folder
 * of temporary files, with what the library said last.
 */
import { closeSync, openSync, readFileSync, rmSync, writeSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import process from "node:process"
import { fileURLToPath } from "node:url"
import { libraryFile } from "../kernels/wasm/index.ts"
import { checked } from "./compiled-file.ts"

const STDERR = 2

/** As in C: a descriptor, or −1. */
type Descriptors = Readonly<Record<"dup" | "dup2", (...descriptors: ReadonlyArray<number>) => number>>

/** What is used of `bun:ffi`, whose types a program in Node or Deno does not have. */
interface BunForeign {
  dlopen(
    file: string,
    symbols: Readonly<Record<string, { readonly args: ReadonlyArray<string>; readonly returns: string }>>
  ): { readonly symbols: Descriptors }
}

/** The C library by its names: of glibc, of musl, of macOS. */
const LIBRARIES: Readonly<Record<string, ReadonlyArray<string>>> = {
  linux: ["libc.so.6", `libc.musl-${process.arch === "arm64" ? "aarch64" : "x86_64"}.so.1`],
  darwin: ["libSystem.B.dylib"]
}

const ofBun = ({ dlopen }: BunForeign): Descriptors | undefined => {
  for (const library of LIBRARIES[process.platform] ?? []) {
    try {
      const int = { returns: "i32" }
      return dlopen(library, { dup: { ...int, args: ["i32"] }, dup2: { ...int, args: ["i32", "i32"] } }).symbols
    } catch {
      // another name of it
    }
  }
  return undefined
}

const ofNode = (): Descriptors | undefined => {
  if (process.platform !== "linux") return undefined
  const opened = { exports: {} as Partial<Descriptors> }
  try {
    const url = libraryFile()
    checked("webgpu", url, readFileSync(url))
    process.dlopen(opened, fileURLToPath(url))
  } catch {
    // a program in one file has none next to it, Node may be told to open none, and a changed one is not opened
    return undefined
  }
  const { dup, dup2 } = opened.exports
  return dup && dup2 && { dup, dup2 }
}

const found = (): Descriptors | undefined => {
  const bun = process.versions["bun"] && (process.getBuiltinModule as (name: string) => unknown)("bun:ffi")
  return bun ? ofBun(bun as BunForeign) : ofNode()
}

let descriptors: { readonly found: Descriptors | undefined } | undefined

/** dup and dup2; undefined where they cannot be called. */
const descriptorsHere = (): Descriptors | undefined => {
  descriptors ??= { found: found() }
  return descriptors.found
}

/** Can lines be left out here? */
export const linesCanBeLeftOut = (): boolean => descriptorsHere() !== undefined

/** To stderr itself, whose reader may be slow, or gone. */
const writeOn = (bytes: Uint8Array): void => {
  let written = 0
  try {
    while (written < bytes.length) written += writeSync(STDERR, bytes, written)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "EAGAIN") process.stderr.write(bytes.subarray(written))
  }
}

/** Takes stderr aside; returns what puts it back and writes the lines that are not `meaningless`. Undefined where that cannot be. */
const takenAside = (meaningless: RegExp): (() => void) | undefined => {
  const symbols = descriptorsHere()
  if (symbols === undefined) return undefined
  const file = join(tmpdir(), `tfjs-lora-pro-stderr-${process.pid}-${Date.now()}.txt`)
  try {
    const aside = openSync(file, "wx", 0o600)
    const own = symbols.dup(STDERR)
    if (own < 0 || symbols.dup2(aside, STDERR) < 0) {
      closeSync(aside)
      rmSync(file)
      return undefined
    }
    closeSync(aside)
    return () => {
      symbols.dup2(own, STDERR)
      closeSync(own)
      // every byte is a letter: what a driver says is in any encoding
      const lines = readFileSync(file, "latin1").split(/(?<=\n)/)
      rmSync(file)
      writeOn(Buffer.from(lines.filter((line) => !meaningless.test(line)).join(""), "latin1"))
    }
  } catch {
    // no folder for it: nothing is taken aside
    return undefined
  }
}

/** Does something without the lines that are `meaningless`, of those that are written before it returns. */
export const withoutLines = <A>(meaningless: RegExp, act: () => A): A => {
  const putBack = takenAside(meaningless)
  try {
    return act()
  } finally {
    putBack?.()
  }
}
