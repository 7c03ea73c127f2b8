/** Lines of stdin, one after another as they come. */
import { createInterface } from "node:readline"
import * as Stream from "effect/Stream"

/** Opened when it is read: readline forgets the lines, and the end, that come before somebody asks for them. */
export const stdinLines: Stream.Stream<string, { readonly message: string }> = Stream.suspend(() =>
  Stream.fromAsyncIterable(createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY }), String)
).pipe(Stream.mapError((reason) => ({ message: `stdin cannot be read: ${reason}` })))
