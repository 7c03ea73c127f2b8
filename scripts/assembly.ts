/**
 * Compiles our wasm kernels, `src/kernels/wasm/assembly`, into the binaries that are committed beside it:
 *
 *   bun run assembly            writes the binaries
 *   bun run assembly --print    prints the classes of the kernels' arguments, without compiling
 *
 * Two modules of the sources are made here, from the kernels' declarations (`src/kernels/declaration.ts`): `./declared`, a class for the
 * arguments of each kernel, and the entry, which exports the kernels.
 *
 * Four binaries: a module says whether the memory it imports is shared, that is, whether there are several threads; and one with fused
 * multiply-adds (relaxed SIMD) is refused by engines that lack them. A test compares the committed bytes with fresh ones.
 */
import { readdirSync, readFileSync } from "node:fs"
import { main } from "assemblyscript/asc"
import { declaredKernels, type Field, type Kernel, layoutOf } from "../src/kernels/index.ts"

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

const classOf = (name: string, fields: ReadonlyArray<Field>, more = ""): string => `@unmanaged
export class ${name} {
${fields.map((field) => `  ${field.name}: ${TYPES[field.type]}\n`).join("")}${more}}
`

/** What `./declared` says of a kernel. */
const classesOf = (kernel: Kernel): string => {
  const { className, fields, size, entry, entrySize } = layoutOf(kernel)
  if (kernel.entry === undefined) return classOf(className, fields)
  const at = `changetype<usize>(this) + ${4 * size} + ${4 * entrySize} * <usize>i`
  return `${classOf(
    className,
    fields,
    `  // @ts-ignore: a decorator
  @inline
  entry(i: i32): ${className}Entry {
    return changetype<${className}Entry>(${at})
  }
`
  )}${classOf(`${className}Entry`, entry)}`
}

/** The module `./declared`. Kernels whose arguments are of one class have to agree about it. */
export const declared = (): string => {
  const classes = new Map<string, string>()
  for (const kernel of declaredKernels()) {
    const { className } = layoutOf(kernel)
    const text = classesOf(kernel)
    if ((classes.get(className) ?? text) !== text)
      throw new Error(`the arguments of ${kernel.name} are no ${className}`)
    classes.set(className, text)
  }
  return [...classes.values()].join("\n")
}

/** The signature of a kernel. */
const KERNEL = /^export function (\w+)\(args: \w+, _?chunk: i32, _?scratch: usize\): void/gm

const exportedKernels = (): ReadonlyArray<{ readonly file: string; readonly name: string }> =>
  readdirSync(`${root}${folder}`)
    .sort()
    .flatMap((file) =>
      [...readFileSync(`${root}${folder}${file}`, "utf8").matchAll(KERNEL)].map(([, name]) => ({ file, name: name! }))
    )

/** The entry: what the module exports. */
const entryText = (): string =>
  exportedKernels()
    .map(({ file, name }) => `export { ${name} } from "./${file.replace(/\.ts$/, "")}"`)
    .join("\n")

const made: Readonly<Record<string, () => string>> = { [entry]: entryText, [`${folder}declared.ts`]: declared }

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

if (import.meta.main && process.argv.includes("--print")) console.log(declared())
else if (import.meta.main) {
  const exported = new Set(exportedKernels().map(({ name }) => name))
  const absent = declaredKernels().filter(({ name }) => !exported.has(name))
  if (absent.length > 0) throw new Error(`no file in ${folder} exports ${absent.map(({ name }) => name).join(", ")}`)
  for (const [file, options] of Object.entries(binaries)) {
    const bytes = await compile(options)
    await Bun.write(`${root}${file}`, bytes)
    console.log(`${file}: ${bytes.length} bytes`)
  }
}
