/**
 * Node's modules, from the running process (Bun, Deno and Node have `process.getBuiltinModule`) instead of imports, so that browser
 * bundles, where they do not exist, do not include them.
 */
interface Builtin {
  readonly fs: typeof import("node:fs/promises")
  readonly os: typeof import("node:os")
  readonly threads: typeof import("node:worker_threads")
}

/** Returns Node's modules, or undefined in a page. */
export const builtin = (): Builtin | undefined => {
  const { process } = globalThis as { readonly process?: NodeJS.Process }
  if (typeof process?.getBuiltinModule !== "function") return undefined
  return {
    fs: process.getBuiltinModule("node:fs/promises"),
    os: process.getBuiltinModule("node:os"),
    threads: process.getBuiltinModule("node:worker_threads")
  }
}
