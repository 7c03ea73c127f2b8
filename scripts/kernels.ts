/**
 * Compiles our CPU kernels, `src/kernels/c`, into the binaries that are committed: four modules of WebAssembly and a library for each
 * platform.
 *
 *   bun run kernels                 writes them all, two compilers at a time; what has not changed comes from the compiler's cache
 *   bun run kernels wasm linux      writes those whose names have one of these in them
 *   bun run kernels --print         prints the files that are made, without compiling
 *
 * The compiler is zig, whose clang builds for every platform on any: `python3 -m pip install ziglang==VERSION`, with the VERSION below,
 * and `ZIG="python3 -m ziglang"`, or a `zig` of that version on the path. Two files of C are made here: `declared.h`, a structure for the
 * arguments of each kernel, from its declaration (`src/kernels/declaration.ts`), and the kernels that are expressions
 * (`kernel-expressions.ts`).
 *
 * A module of WebAssembly says whether the memory it imports is shared, that is, whether there are several threads; and one with fused
 * multiply-adds (relaxed SIMD) is refused by engines that lack them. A library holds the kernels once for each instruction set
 * (`name_avx2`, `name_avx512`, `name_neon`), `describe`, which says what the processor has, and on Linux what makes it a module of Node.
 * A test compares the committed bytes with fresh ones.
 */
import { mkdirSync, readdirSync, readFileSync } from "node:fs"
import { availableParallelism } from "node:os"
import { basename, join } from "node:path"
import "../src/kernels/wasm/index.ts"
import { declaredKernels, type Field, layoutOf } from "../src/kernels/index.ts"
import { writeChecksums } from "./checksums.ts"
import { expressions } from "./kernel-expressions.ts"

export const ZIG_VERSION = "0.17.1"

const root = new URL("../", import.meta.url).pathname
const sources = `${root}src/kernels/c/`
/** Of the files that are made and the objects; always the same, so that the compiler knows what it has compiled before. */
const folder = `${root}dist-kernels/`

interface Platform {
  readonly target: string
  /** processors that the kernels are compiled for */
  readonly processors: ReadonlyArray<string>
  /** flags of the linker */
  readonly linked?: ReadonlyArray<string>
}

const x64 = ["x86_64_v3", "x86_64_v4"]

/**
 * Without the system's C library, of which kernels take nothing: a compiler that has it not yet makes Windows' anew, in a minute and a half.
 * Memory is copied and stacks are probed by the compiler's own functions.
 */
const alone = ["-nostdlib", "-lcompiler_rt", "-Wl,--no-entry"]

/** File → build settings. Names follow Node's `process.platform` and `process.arch`. */
export const libraries = {
  "src/kernels/native/kernels-linux-x64.so": { target: "x86_64-linux-gnu", processors: x64 },
  "src/kernels/native/kernels-linux-arm64.so": { target: "aarch64-linux-gnu", processors: ["generic"] },
  "src/kernels/native/kernels-darwin-x64.dylib": { target: "x86_64-macos", processors: x64 },
  "src/kernels/native/kernels-darwin-arm64.dylib": { target: "aarch64-macos", processors: ["apple_m1"] },
  "src/kernels/native/kernels-win32-x64.dll": { target: "x86_64-windows-gnu", processors: x64, linked: alone }
} satisfies Record<string, Platform>

/** File → whether its memory is shared, and whether it has fused multiply-adds. */
export const modules = {
  "src/kernels/wasm/kernels.wasm": { shared: false, fused: false },
  "src/kernels/wasm/kernels-shared.wasm": { shared: true, fused: false },
  "src/kernels/wasm/kernels-fused.wasm": { shared: false, fused: true },
  "src/kernels/wasm/kernels-fused-shared.wasm": { shared: true, fused: true }
} satisfies Record<string, { readonly shared: boolean; readonly fused: boolean }>

const TYPES = {
  buffer: "uint32_t",
  far: "int64_t",
  u32: "int32_t",
  i32: "int32_t",
  f32: "float",
  f64: "double"
} as const satisfies Record<Field["type"], string>

const structure = (name: string, fields: ReadonlyArray<Field>): string =>
  `typedef struct {\n${fields.map(({ name, type }) => `  ${TYPES[type]} ${name};`).join("\n")}\n} ${name};\n`

/** Returns `declared.h`: a struct for the arguments of each kernel, and for the entries of those over a list. */
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
const ONCE = ["describe.c", "mapped.c", "node.c"]

/** The files that are made. */
const made = (): Readonly<Record<string, string>> => ({ "declared.h": declared(), ...expressions() })

interface KernelFile {
  readonly path: string
  readonly kernels: ReadonlyArray<string>
}

/** Writes the files that are made; returns those that are compiled for each instruction set, with their kernels. */
const prepared = async (): Promise<ReadonlyArray<KernelFile>> => {
  mkdirSync(folder, { recursive: true })
  for (const [name, text] of Object.entries(made())) await Bun.write(join(folder, name), text)
  const paths = readdirSync(sources)
    .filter((name) => name.endsWith(".c") && !ONCE.includes(name))
    .map((name) => join(sources, name))
  return [...paths, `${folder}expressions.c`]
    .sort((a, b) => (basename(a) < basename(b) ? -1 : 1))
    .map((path) => ({ path, kernels: [...readFileSync(path, "utf8").matchAll(KERNEL)].map(([, kernel]) => kernel!) }))
}

/** Runs the compiler in the folder of what is made. */
const zig = async (...args: ReadonlyArray<string>): Promise<string> => {
  mkdirSync(folder, { recursive: true })
  const [command, ...before] = (process.env["ZIG"] ?? "zig").split(" ")
  const child = Bun.spawn([command!, ...before, ...args], { cwd: folder, stdout: "pipe", stderr: "pipe" })
  const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()])
  if ((await child.exited) !== 0) throw new Error(`zig ${args.join(" ")}\n${stderr}`)
  return stdout.trim()
}

/** Does all tasks, as many at a time as there are cores. */
const together = async <A>(tasks: ReadonlyArray<() => Promise<A>>): Promise<ReadonlyArray<A>> => {
  const done: Array<A> = []
  const rest = tasks.entries()
  const worker = async () => {
    for (const [i, task] of rest) done[i] = await task()
  }
  await Promise.all(Array.from({ length: availableParallelism() }, worker))
  return done
}

const FLAGS = [
  ...["-O3", "-std=c11", "-Wall", "-Wextra", "-Werror", "-fno-math-errno", "-fno-trapping-math"],
  ...["-fvisibility=hidden", "-fno-stack-protector", "-fno-sanitize=all", "-g0"],
  // of a machine's own compilers, which nothing here is built with
  ...["-Wno-gcc-install-dir-libstdcxx", `-I${folder}`, `-I${sources}`]
]

/**
 * Of modules: loops stay as written. What the compiler adds to them costs a fifth of a module's bytes and saves no time: engines have few
 * registers for a longer loop, and addresses of its own (loop strength reduction) hide the offsets that a load may have in WebAssembly.
 */
const AS_WRITTEN = ["-fno-vectorize", "-fno-slp-vectorize", "-mllvm", "-unroll-runtime=false"]
const WITHOUT_ADDRESSES = ["-mllvm", "-disable-lsr"]
/** With addresses of the compiler's own, `tn` takes a tenth less time. */
const WITH_ADDRESSES = "tiles.c"

/** The object of a file, compiled with these flags; the flags' name is part of its own. */
const compiled = async (path: string, name: string, flags: ReadonlyArray<string>): Promise<string> => {
  const object = `${name}-${basename(path)}.o`
  await zig("cc", "-c", ...FLAGS, ...flags, path, "-o", object)
  return object
}

/** The kernels for a platform, linked as `how` says of their names. Fails with the compiler's message. */
const built = async (
  { target, processors, linked = [] }: Platform,
  how: (names: ReadonlyArray<string>) => ReadonlyArray<string>
): Promise<Uint8Array<ArrayBuffer>> => {
  const files = await prepared()
  const flags = ["-target", target, "-ffp-contract=fast"]
  const objects: Array<string> = []
  for (const processor of processors) {
    const own = [...flags, `-mcpu=${processor}`]
    objects.push(
      ...(await together(
        files.map(
          ({ path }) =>
            () =>
              compiled(path, `${target}-${processor}`, own)
        )
      ))
    )
  }
  // a library of macOS holds the name that it was linked under: one without the folder's
  const out = "library"
  await zig(
    "cc",
    "-s",
    ...FLAGS,
    ...flags,
    ...linked,
    ...how(files.flatMap(({ kernels }) => kernels)),
    ...objects,
    "-o",
    out
  )
  return new Uint8Array(readFileSync(folder + out))
}

/** Compiles a library and returns its bytes. */
export const compileLibrary = (platform: Platform): Promise<Uint8Array<ArrayBuffer>> =>
  built(platform, (names) => [
    "-shared",
    `-DKERNELS=${JSON.stringify(names.join(" "))}`,
    ...ONCE.map((name) => sources + name)
  ])

/** Compiles a standalone program for Linux on arm64 from a C file and the kernels, which it lists by `EACH_KERNEL(X)`. */
export const compileProgram = (file: string): Promise<Uint8Array<ArrayBuffer>> =>
  built({ target: "aarch64-linux-musl", processors: ["generic"], linked: ["-nostdlib", "-lcompiler_rt"] }, (names) => [
    "-static",
    `-DEACH_KERNEL(X)=${names.map((name) => `X(${name})`).join(" ")}`,
    file
  ])

/** Numbers of a module's sections. Their sizes are numbers of seven bits a byte. */
const sectionsOf = (bytes: Uint8Array): ReadonlyArray<number> => {
  const found: Array<number> = []
  for (let at = 8; at < bytes.length; ) {
    found.push(bytes[at++]!)
    let size = 0
    for (let shift = 0; ; shift += 7) {
      size += (bytes[at]! & 0x7f) << shift
      if (bytes[at++]! < 0x80) break
    }
    at += size
  }
  return found
}
const DATA = 11

/** Compiles a WebAssembly module and returns its bytes. Throws if it has data of its own: its memory is tfjs's. */
export const compileModule = async ({
  shared,
  fused
}: {
  readonly shared: boolean
  readonly fused: boolean
}): Promise<Uint8Array<ArrayBuffer>> => {
  const files = await prepared()
  const features = `simd128+bulk_memory+atomics${fused ? "+relaxed_simd" : ""}`
  const flags = [
    "-target",
    "wasm32-freestanding",
    `-mcpu=generic+${features}`,
    "-fno-builtin",
    "-Wno-unused-parameter",
    ...AS_WRITTEN
  ]
  const rounding = fused ? "fast" : "off"
  const objects = await together(
    files.map(({ path }) => async () => {
      const own = basename(path) === WITH_ADDRESSES ? [] : WITHOUT_ADDRESSES
      return compiled(path, `wasm-${rounding}`, [...flags, ...own, `-ffp-contract=${rounding}`])
    })
  )
  const memory = ["--import-memory", "--initial-memory=65536", `--max-memory=${2 ** 32}`]
  const linked = [...memory, ...(shared ? ["--shared-memory"] : []), "--export=__stack_pointer"]
  // a stack of no size: the device says where it lies
  await zig("wasm-ld", "--no-entry", "--strip-all", "-z", "stack-size=0", ...linked, ...objects, "-o", "module.wasm")
  const bytes = new Uint8Array(readFileSync(`${folder}module.wasm`))
  if (sectionsOf(bytes).includes(DATA))
    throw new Error("a kernel has a table or a static variable: wasm has no room for it")
  return bytes
}

/** Returns why the pinned compiler is unavailable; undefined if it is available. */
export const compilerMissing = async (): Promise<string | undefined> => {
  try {
    const version = await zig("version")
    return version === ZIG_VERSION ? undefined : `zig ${ZIG_VERSION} makes the committed binaries; this is ${version}`
  } catch (error) {
    return `${(error as Error).message}: the compiler is zig ${ZIG_VERSION}; see the top of scripts/kernels.ts`
  }
}

/** File → a function that compiles it again and returns its bytes. */
export const binaries: Readonly<Record<string, () => Promise<Uint8Array<ArrayBuffer>>>> = Object.fromEntries([
  ...Object.entries(modules).map(([file, form]) => [file, () => compileModule(form)] as const),
  ...Object.entries(libraries).map(([file, platform]) => [file, () => compileLibrary(platform)] as const)
])

if (import.meta.main && process.argv.includes("--print")) console.log(Object.values(made()).join("\n"))
else if (import.meta.main) {
  const missing = await compilerMissing()
  if (missing !== undefined) throw new Error(missing)
  const only = process.argv.slice(2)
  for (const [file, compile] of Object.entries(binaries)) {
    if (only.length > 0 && !only.some((part) => file.includes(part))) continue
    const bytes = await compile()
    await Bun.write(root + file, bytes)
    console.log(`${file}: ${bytes.length} bytes`)
  }
  await writeChecksums()
}
