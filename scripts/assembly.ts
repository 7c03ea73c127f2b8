/**
 * Compiles our wasm kernels, `src/kernels/wasm/assembly`, into the binaries that are committed beside it:
 *
 *   bun run assembly            writes the binaries
 *   bun run assembly --print    prints the modules that are made, without compiling
 *
 * Three modules of the sources are made here: `./declared`, a class for the arguments of each kernel, from its declaration
 * (`src/kernels/declaration.ts`); `./expressions`, the kernels whose body is an expression (`assembly-expressions.ts`); and the entry,
 * which exports the kernels.
 *
 * Four binaries: a module says whether the memory it imports is shared, that is, whether there are several threads; and one with fused
 * multiply-adds (relaxed SIMD) is refused by engines that lack them. A test compares the committed bytes with fresh ones.
 */
import { readdirSync, readFileSync } from "node:fs"
import { main } from "assemblyscript/asc"
import "../src/kernels/wasm/index.ts"
import { declaredKernels, type Field, type Kernel, layoutOf } from "../src/kernels/index.ts"
import { expressions } from "./assembly-expressions.ts"
import { writeChecksums } from "./checksums.ts"

const root = new URL("../", import.meta.url).pathname
const folder = "src/kernels/wasm/assembly/"
const entry = `${folder}index.ts`

const fused = ["--enable", "relaxed-simd"]
const shared = ["--sharedMemory"]

/** File name → what the compiler is told beyond the common options. */
export const binaries = {
  "src/kernels/wasm/kernels.wasm": [],
  "src/kernels/wasm/kernels-shared.wasm": shared,
  "src/kernels/wasm/kernels-fused.wasm": fused,
  "src/kernels/wasm/kernels-fused-shared.wasm": [...fused, ...shared]
} satisfies Record<string, ReadonlyArray<string>>

const TYPES = { buffer: "usize", u32: "i32", i32: "i32", f32: "f32", f64: "f64" } as const satisfies Record<
  Field["type"],
  string
>

const lineOf = ({ name, type }: Field): string => `  ${name}: ${TYPES[type]}`

const classOf = (name: string, lines: ReadonlyArray<string>): string => `@unmanaged
export class ${name} {
${lines.join("\n")}
}
`

/** The lines of the class of a kernel's arguments. */
const linesOf = (kernel: Kernel): ReadonlyArray<string> => {
  const { className, fields, size, entrySize } = layoutOf(kernel)
  const lines = fields.map(lineOf)
  if (kernel.entry === undefined) return lines
  const at = `changetype<usize>(this) + ${4 * size} + ${4 * entrySize} * <usize>i`
  const method = `  @inline
  entry(i: i32): ${className}Entry {
    return changetype<${className}Entry>(${at})
  }`
  return [...lines, method]
}

/** The module `./declared`. Throws where kernels that share a class do not agree about it. */
export const declared = (): string => {
  const classes = new Map<string, ReadonlyArray<string>>()
  const declare = (kernel: Kernel, name: string, lines: ReadonlyArray<string>): void => {
    const known = classes.get(name) ?? []
    if (lines.some((line, i) => line !== (known[i] ?? line)))
      throw new Error(`${kernel.name}: its arguments are no ${name}`)
    if (lines.length > known.length) classes.set(name, lines)
  }
  for (const kernel of declaredKernels()) {
    const { className, entry } = layoutOf(kernel)
    declare(kernel, className, linesOf(kernel))
    if (kernel.entry !== undefined) declare(kernel, `${className}Entry`, entry.map(lineOf))
  }
  return [...classes].map(([name, lines]) => classOf(name, lines)).join("\n")
}

const EXPRESSIONS = "expressions.ts"

/** The signature of a kernel. */
const KERNEL = /^export function (\w+)\(args: \w+, _?chunk: i32, _?scratch: usize\): void/gm

const exportedKernels = (): ReadonlyArray<{ readonly file: string; readonly name: string }> =>
  [
    ...readdirSync(`${root}${folder}`)
      .sort()
      .map((file) => [file, readFileSync(`${root}${folder}${file}`, "utf8")] as const),
    [EXPRESSIONS, expressions()] as const
  ].flatMap(([file, text]) => [...text.matchAll(KERNEL)].map(([, name]) => ({ file, name: name! })))

/** The entry: what the module exports. */
const entryText = (): string =>
  exportedKernels()
    .map(({ file, name }) => `export { ${name} } from "./${file.replace(/\.ts$/, "")}"`)
    .join("\n")

const made: Readonly<Record<string, () => string>> = {
  [entry]: entryText,
  [`${folder}declared.ts`]: declared,
  [`${folder}${EXPRESSIONS}`]: expressions
}

/** The bytes of a binary. Fails with the compiler's message. */
export const compile = async (options: ReadonlyArray<string>): Promise<Uint8Array> => {
  let binary: Uint8Array | undefined
  const common = [
    ...["--baseDir", root, "--outFile", "kernels.wasm", "--runtime", "stub", "-O3", "--noAssert"],
    ...["--importMemory", "--initialMemory", "1", "--maximumMemory", "65536", "--enable", "simd", "--enable", "threads"]
  ]
  const { error, stderr } = await main([entry, ...common, ...options], {
    readFile: (name) => {
      try {
        return made[name]?.() ?? readFileSync(`${root}${name}`, "utf8")
      } catch (cause) {
        if ((cause as NodeJS.ErrnoException).code === "ENOENT") return null
        throw cause
      }
    },
    writeFile: (_name, contents) => {
      if (typeof contents !== "string") binary = contents
    }
  })
  if (error !== null || binary === undefined) throw new Error(`${error?.message ?? "no output"}\n${stderr.toString()}`)
  return binary
}

if (import.meta.main && process.argv.includes("--print")) console.log(`${declared()}\n${expressions()}`)
else if (import.meta.main) {
  const exported = new Set(exportedKernels().map(({ name }) => name))
  const absent = declaredKernels().filter(({ name }) => !exported.has(name))
  if (absent.length > 0) throw new Error(`no file in ${folder} exports ${absent.map(({ name }) => name).join(", ")}`)
  for (const [file, options] of Object.entries(binaries)) {
    const bytes = await compile(options)
    await Bun.write(`${root}${file}`, bytes)
    console.log(`${file}: ${bytes.length} bytes`)
  }
  await writeChecksums()
}
