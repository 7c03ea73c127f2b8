/** Permissions of this process in Deno; other runtimes have no restrictions. */

interface Deno {
  readonly permissions: { querySync(of: object): { readonly state: string } }
}

/** Name of a permission. */
export type DenoPermission = "env" | "ffi" | "read" | "run" | "write"

/** Returns the permissions that were not granted. Does not request them, which would prompt the user in the middle of a run. */
export const denied = (names: ReadonlyArray<DenoPermission>): ReadonlyArray<DenoPermission> => {
  const { Deno: deno } = globalThis as { readonly Deno?: Deno }
  return deno === undefined ? [] : names.filter((name) => deno.permissions.querySync({ name }).state !== "granted")
}
