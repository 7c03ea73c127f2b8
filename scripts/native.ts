/**
 * Compiles our native kernels, `src/kernels/native/c`, into the libraries that are committed beside it, one for each platform:
 *
 *   bun run native             writes the libraries
 *   bun run native --print     prints the files that are made, without compiling
 *
 * The compiler is zig, whose clang builds for every platform on any: `python3 -m pip install ziglang==VERSION`, with the VERSION below,
 * and `ZIG="python3 -m ziglang"`, or a `zig` of that version on the path. A library holds the kernels once for each instruction set
 * (`name_avx2`, `name_avx512`, `name_neon`), `describe`, which says what the processor has, and on Linux what makes it a module of
 * Node. A test compares the committed bytes with fresh ones.
 */
import { spawnSync } from "node:child_process"
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import "../src/kernels/wasm/index.ts"
import { declaredKernels, type Field, layoutOf } from "../src/kernels/index.ts"
import { writeChecksums } from "./checksums.ts"
import { expressions } from "./native-expressions.ts"

export const ZIG_VERSION = "0.17.1"

const root = new URL("../", import.meta.url).pathname
const sources = `${root}src/kernels/native/c/`

interface Platform {
  readonly target: string
  /** processors that the kernels are compiled for */
  readonly processors: ReadonlyArray<string>
}

const x64 = ["x86_64_v3", "x86_64_v4"]

/** File → how it is made. The names are those of Node's `process.platform` and `process.arch`. */
export const libraries = {
  "kernels-linux-x64.so": { target: "x86_64-linux-gnu", processors: x64 },
  "kernels-linux-arm64.so": { target: "aarch64-linux-gnu", processors: ["generic"] },
  "kernels-darwin-x64.dylib": { target: "x86_64-macos", processors: x64 },
  "kernels-darwin-arm64.dylib": { target: "aarch64-macos", processors: ["apple_m1"] },
  "kernels-win32-x64.dll": { target: "x86_64-windows-gnu", processors: x64 }
} satisfies Record<string, Platform>

const TYPES = {
  buffer: "uint32_t",
  u32: "int32_t",
  i32: "int32_t",
  f32: "float",
  f64: "double"
} as const satisfies Record<Field["type"], string>

const structure = (name: string, fields: ReadonlyArray<Field>): string =>
  `typedef struct {\n${fields.map(({ name, type }) => `  ${TYPES[type]} ${name};`).join("\n")}\n} ${name};\n`

/** `declared.h`: a structure for the arguments of each kernel, and for the entries of those over a list. */
export const declared = (): string => {
  const structures = new Map<string, readonly [size: number, text: string]>()
  const add = (name: string, fields: ReadonlyArray<Field>, size: number) => {
    if (size > (structures.get(name)?.[0] ?? 0)) structures.set(name, [size, structure(name, fields)])
  }
  for (const kernel of declaredKernels()) {
    const { className, fields, size, entry, entrySize } = layoutOf(kernel)
    add(className, fields, size)
    if (kernel.entry !== undefined) {
      add(`${className}Entry`, entry, entrySize)
      structures.set(`${className} entries`, [0, entriesOf(className, size)])
    }
  }
  return `#pragma once\n#include <stdint.h>\n\n${[...structures.values()].map(([, text]) => text).join("\n")}`
}

/** How a kernel over a list finds its entries. */
const entriesOf = (name: string, size: number): string =>
  `static inline const ${name}Entry *entries_of_${name}(const ${name} *args) {
  return (const ${name}Entry *)((const uint32_t *)args + ${size});
}
`

const KERNEL = /^KERNEL\((\w+)\)/gm

/** The files that are compiled once: of a library, not of its kernels. */
const ONCE = ["describe.c", "node.c"]

/** The files that are made. */
const made = (): Readonly<Record<string, string>> => ({ "declared.h": declared(), ...expressions() })

/** The files that are compiled for each instruction set, and their kernels. */
const kernelFiles = (folders: ReadonlyArray<string>) =>
  folders
    .flatMap((folder) => readdirSync(folder).map((name) => ({ name, path: join(folder, name) })))
    .filter(({ name }) => name.endsWith(".c") && !ONCE.includes(name))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, path }) => ({
      name,
      path,
      kernels: [...readFileSync(path, "utf8").matchAll(KERNEL)].map(([, kernel]) => kernel!)
    }))

const zig = (args: ReadonlyArray<string>, cwd = root): string => {
  const [command, ...before] = (process.env["ZIG"] ?? "zig").split(" ")
  const { status, stdout, stderr, error } = spawnSync(command!, [...before, ...args], { encoding: "utf8", cwd })
  if (error !== undefined)
    throw new Error(`${error.message}: the compiler is zig ${ZIG_VERSION}; see the top of scripts/native.ts`)
  if (status !== 0) throw new Error(`zig ${args.join(" ")}\n${stderr}`)
  return stdout.trim()
}

const FLAGS = [
  ...["-O3", "-std=c11", "-Wall", "-Wextra", "-Werror", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math"],
  ...["-fvisibility=hidden", "-fno-stack-protector", "-fno-sanitize=all", "-g0"],
  // of a machine's own compilers, which nothing here is built with
  "-Wno-gcc-install-dir-libstdcxx"
]

/** The kernels for a platform, linked as `how` says of their names. Fails with the compiler's message. */
const built = (
  { target, processors }: Platform,
  how: (names: ReadonlyArray<string>) => ReadonlyArray<string>
): Uint8Array<ArrayBuffer> => {
  const folder = mkdtempSync(join(tmpdir(), "native-"))
  try {
    for (const [name, text] of Object.entries(made())) writeFileSync(join(folder, name), text)
    const files = kernelFiles([sources, folder])
    const common = [...FLAGS, "-target", target, "-I", folder, "-I", sources]
    const objects = processors.flatMap((processor) =>
      files.map(({ name, path }) => {
        const object = join(folder, `${name}-${processor}.o`)
        zig(["cc", "-c", ...common, `-mcpu=${processor}`, path, "-o", object])
        return object
      })
    )
    // a library of macOS holds the name that it was linked under: one without the folder's
    const out = "library"
    zig(["cc", "-s", ...common, ...how(files.flatMap(({ kernels }) => kernels)), ...objects, "-o", out], folder)
    return new Uint8Array(readFileSync(join(folder, out)))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** The bytes of a library. */
export const compile = (platform: Platform): Uint8Array<ArrayBuffer> =>
  built(platform, (names) => [
    "-shared",
    `-DKERNELS=${JSON.stringify(names.join(" "))}`,
    ...ONCE.map((name) => sources + name)
  ])

/** The bytes of a program for Linux on arm64 that needs nothing else: a file of C and the kernels, of which it knows `EACH_KERNEL(X)`. */
export const compileProgram = (file: string): Uint8Array<ArrayBuffer> =>
  built({ target: "aarch64-linux-musl", processors: ["generic"] }, (names) => [
    "-static",
    `-DEACH_KERNEL(X)=${names.map((name) => `X(${name})`).join(" ")}`,
    file
  ])

/** Why the pinned compiler is not here; undefined where it is. */
export const compilerMissing = (): string | undefined => {
  try {
    const version = zig(["version"])
    return version === ZIG_VERSION ? undefined : `zig ${ZIG_VERSION} makes the committed libraries; this is ${version}`
  } catch (error) {
    return (error as Error).message
  }
}

if (import.meta.main && process.argv.includes("--print")) console.log(Object.values(made()).join("\n"))
else if (import.meta.main) {
  const missing = compilerMissing()
  if (missing !== undefined) throw new Error(missing)
  const only = process.argv.slice(2)
  for (const [file, platform] of Object.entries(libraries)) {
    if (only.length > 0 && !only.some((part) => file.includes(part))) continue
    const bytes = compile(platform)
    await Bun.write(`${root}src/kernels/native/${file}`, bytes)
    console.log(`${file}: ${bytes.length} bytes`)
  }
  await writeChecksums()
}
