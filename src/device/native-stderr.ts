/**
 * What a native library writes to stderr by itself, past every stream of the runtime, while something is done: lines that mean nothing are
 * left out, all others are written afterwards. In Bun, on Linux and macOS; elsewhere the lines appear (Node has no
 * foreign-function interface).
 *
 * The descriptor is a file for that time. Where the process dies in it, the file stays, with what the library said last.
 */
import { closeSync, openSync, readFileSync, rmSync, writeSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import process from "node:process"

const STDERR = 2

/** What is used of `bun:ffi`, whose types a program in Node or Deno does not have. */
interface BunForeign {
  dlopen(
    file: string,
    symbols: Readonly<Record<string, { readonly args: ReadonlyArray<string>; readonly returns: string }>>
  ): { readonly symbols: Readonly<Record<"dup" | "dup2", (...descriptors: ReadonlyArray<number>) => number>> }
}

/** The C library by its names: of glibc, of musl, of macOS. */
const LIBRARIES: Readonly<Record<string, ReadonlyArray<string>>> = {
  linux: ["libc.so.6", `libc.musl-${process.arch === "arm64" ? "aarch64" : "x86_64"}.so.1`],
  darwin: ["libSystem.B.dylib"]
}

/** dup and dup2; undefined where they cannot be called. */
const descriptors = () => {
  const bun = process.versions["bun"] && (process.getBuiltinModule as (name: string) => unknown)("bun:ffi")
  if (!bun) return undefined
  for (const library of LIBRARIES[process.platform] ?? []) {
    try {
      const int = { returns: "i32" }
      const { symbols } = (bun as BunForeign).dlopen(library, {
        dup: { ...int, args: ["i32"] },
        dup2: { ...int, args: ["i32", "i32"] }
      })
      return symbols
    } catch {
      // another name of it
    }
  }
  return undefined
}

/** Takes stderr aside; returns what puts it back and writes the lines that are not `meaningless`. Undefined where that cannot be. */
const takenAside = (meaningless: RegExp): (() => void) | undefined => {
  const symbols = descriptors()
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
    let back = false
    const putBack = () => {
      if (back) return
      back = true
      process.off("exit", putBack)
      symbols.dup2(own, STDERR)
      closeSync(own)
      const lines = readFileSync(file, "utf8").split(/(?<=\n)/)
      rmSync(file)
      const said = lines.filter((line) => !meaningless.test(line)).join("")
      if (said !== "") writeSync(STDERR, said)
    }
    process.on("exit", putBack)
    return putBack
  } catch {
    // no folder for it: nothing is taken aside
    return undefined
  }
}

/** One at a time: putting back what another call has taken aside would leave that one's file as stderr. */
let before: Promise<unknown> = Promise.resolve()

/** Does something without the lines that are `meaningless`. */
export const withoutLines = <A>(meaningless: RegExp, act: () => Promise<A>): Promise<A> => {
  const own = before.then(async () => {
    const putBack = takenAside(meaningless)
    try {
      return await act()
    } finally {
      putBack?.()
    }
  })
  before = own.catch(() => {})
  return own
}
