/**
 * Compiles the wasm kernels that are in `src/kernels/wasm/assembly` still, for `kernels.ts`.
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

const root = new URL("../", import.meta.url).pathname
const folder = "src/kernels/wasm/assembly/"
const entry = `${folder}index.ts`

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

const EXPRESSIONS_AND_DECLARED: Readonly<Record<string, () => string>> = {
  [`${folder}declared.ts`]: declared,
  [`${folder}${EXPRESSIONS}`]: expressions
}

/** The bytes of a module that exports the kernels that are not among `inC`. Fails with the compiler's message. */
export const compileAssembly = async (inC: ReadonlyArray<string>, fused: boolean, shared: boolean): Promise<Uint8Array> => {
  const made: Readonly<Record<string, () => string>> = {
    ...EXPRESSIONS_AND_DECLARED,
    [entry]: () =>
      exportedKernels()
        .filter(({ name }) => !inC.includes(name))
        .map(({ file, name }) => `export { ${name} } from "./${file.replace(/\.ts$/, "")}"`)
        .join("\n")
  }
  let binary: Uint8Array | undefined
  const options = [...(fused ? ["--enable", "relaxed-simd"] : []), ...(shared ? ["--sharedMemory"] : [])]
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

const BINARYEN = `${root}node_modules/binaryen/bin/`

const binaryen = (folder: string, tool: string, ...args: ReadonlyArray<string>): void => {
  const { exitCode, stderr } = Bun.spawnSync(["node", BINARYEN + tool, "--all-features", ...args], { cwd: folder })
  if (exitCode !== 0) throw new Error(`${tool}: ${stderr}`)
}

/** Adds to `module.wasm` in a folder, whose kernels are in C, those that are not in C yet; one memory for both. */
export const addAssembly = async (folder: string, inC: ReadonlyArray<string>, fused: boolean, shared: boolean): Promise<void> => {
  await Bun.write(`${folder}assembly.wasm`, await compileAssembly(inC, fused, shared))
  binaryen(folder, "wasm-merge", "module.wasm", "c", "assembly.wasm", "assembly", "-o", "both.wasm")
  binaryen(folder, "wasm-dis", "both.wasm", "-o", "both.wat")
  const text = readFileSync(`${folder}both.wat`, "utf8")
  const one = text.replace(/^ \(import "env" "memory" \(memory \$mimport\$1 .*\n/m, "").replace(/^ \(export "memory".*\n/m, "").replaceAll(/ \$mimport\$[01]/g, "")
  await Bun.write(`${folder}both.wat`, one)
  binaryen(folder, "wasm-as", "both.wat", "-o", "module.wasm")
}
