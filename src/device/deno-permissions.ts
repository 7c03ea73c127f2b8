/** What Deno lets this process do; other runtimes forbid nothing. */

interface Deno {
  readonly permissions: { querySync(of: object): { readonly state: string } }
}

export type DenoPermission = "env" | "ffi" | "read" | "run" | "write"

/** Those of the permissions that were not granted. Asking for one would put the question to the user, in the middle of a run. */
export const denied = (names: ReadonlyArray<DenoPermission>): ReadonlyArray<DenoPermission> => {
  const { Deno: deno } = globalThis as { readonly Deno?: Deno }
  return deno === undefined ? [] : names.filter((name) => deno.permissions.querySync({ name }).state !== "granted")
}
