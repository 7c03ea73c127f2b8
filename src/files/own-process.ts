/**
 * The identity of this process on its machine. The files of a page belong to one tab, so any lock among them was written
 * by this page, now or before it was closed, and one name serves for both.
 */
const { process } = globalThis as { readonly process?: NodeJS.Process }

/** undefined in a page */
export const ownSystem = typeof process?.getBuiltinModule === "function" ? process : undefined

/** Process id; 1 in a page. */
export const ownNumber: number = ownSystem?.pid ?? 1

// not imported, so that browser bundles do not include Node modules
export const hostname = (): string => ownSystem?.getBuiltinModule("node:os").hostname() ?? "this page"
