/**
 * The programs of `programs.ts`, once the webgpu device has brought them. Kernels name their types alone, so that a bundle holds the
 * programs in a file of their own, which is loaded when a webgpu device opens.
 */
import type * as Programs from "./programs.ts"

let loaded: typeof Programs | undefined

/** Sets the programs. Devices call it before they provide an engine. */
export const providePrograms = (programs: typeof Programs): void => {
  loaded = programs
}

/** Returns the loaded programs, for code that has an engine. Throws if they were not provided. */
export const programs = (): typeof Programs => {
  if (loaded === undefined) throw new Error("the webgpu programs are not loaded: call providePrograms first")
  return loaded
}
