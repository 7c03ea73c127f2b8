/**
 * What this process is called on its machine. A page's files are its own: one tab has them, so that whatever a lock there says was written
 * by this page, now or before it was closed, and one name does for both.
 */
const { process } = globalThis as { readonly process?: NodeJS.Process }

/** undefined in a page */
export const ownSystem = typeof process?.getBuiltinModule === "function" ? process : undefined

/** The number by which its system knows this process. */
export const ownNumber: number = ownSystem?.pid ?? 1

// not imported: a bundle for a browser holds nothing of Node
export const hostname = (): string => ownSystem?.getBuiltinModule("node:os").hostname() ?? "this page"
