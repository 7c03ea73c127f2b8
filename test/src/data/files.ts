/** Temporary data files for tests, and running an effect that opens them. */
import { afterAll } from "bun:test"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { DataError } from "../../../src/data/data-error.ts"

/** A folder that is removed after the tests of the file that asks for it. */
export const temporaryFiles = () => {
  const folder = mkdtempSync(join(tmpdir(), "data-test-"))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  let files = 0
  const fileOf = (extension: string, content: string | Uint8Array): string => {
    const path = join(folder, `rows-${files++}.${extension}`)
    writeFileSync(path, content)
    return path
  }
  const jsonlOf = (rows: ReadonlyArray<unknown>): string =>
    fileOf("jsonl", rows.map((row) => JSON.stringify(row)).join("\n"))
  return { folder, fileOf, jsonlOf }
}

export const run = <A>(effect: Effect.Effect<A, DataError, Scope.Scope>): Promise<A> =>
  Effect.runPromise(Effect.scoped(effect))

/** The error's message, with the temporary folder and the file's number taken out. */
export const failureOf = async <A>(effect: Effect.Effect<A, DataError, Scope.Scope>): Promise<string> => {
  const error = await Effect.runPromise(Effect.flip(Effect.scoped(effect)))
  return error.message.replaceAll(/\S*data-test-\w{6}/g, "").replaceAll(/\/rows-\d+\./g, "rows.")
}
