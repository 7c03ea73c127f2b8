/** Connections of the server: what becomes of a stream whose reader has gone. */
import { expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import { listen } from "../../../src/serve/index.ts"

test("a stream that says nothing for long ends as soon as its reader hangs up", () =>
  Effect.runPromise(
    Effect.gen(function* () {
      const gone = Promise.withResolvers<void>()
      const body = () =>
        new ReadableStream<Uint8Array>({
          start: (controller) => controller.enqueue(new TextEncoder().encode("data: 1\n\n")),
          cancel: () => gone.resolve()
        })
      const answer = async () => new Response(body(), { headers: { "content-type": "text/event-stream" } })
      const { url } = yield* listen(answer, { host: "127.0.0.1", port: 0, isDraining: () => false })
      const leave = new AbortController()
      yield* Effect.promise(async () => {
        const reader = (await fetch(url, { signal: leave.signal })).body!.getReader()
        expect(new TextDecoder().decode((await reader.read()).value)).toBe("data: 1\n\n")
        const next = reader.read().catch(() => {})
        leave.abort()
        await next
      })
      const late = Effect.as(Effect.sleep("5 seconds"), "late" as const)
      expect(
        yield* Effect.race(
          Effect.as(
            Effect.promise(() => gone.promise),
            "gone" as const
          ),
          late
        )
      ).toBe("gone")
    }).pipe(Effect.scoped)
  ))

test("an answer that says its length is sent piece by piece, as it is read, and not held", () =>
  Effect.runPromise(
    Effect.gen(function* () {
      const MEBIBYTE = 2 ** 20
      const pieces = 200
      let made = 0
      const body = () =>
        new ReadableStream<Uint8Array>(
          {
            pull: (controller) => {
              made += 1
              controller.enqueue(new Uint8Array(MEBIBYTE))
              if (made === pieces) controller.close()
            }
          },
          { highWaterMark: 0 }
        )
      const answer = async () => new Response(body(), { headers: { "content-length": `${pieces * MEBIBYTE}` } })
      const { url } = yield* listen(answer, { host: "127.0.0.1", port: 0, isDraining: () => false })
      yield* Effect.promise(async () => {
        const reader = (await fetch(url)).body!.getReader()
        let read = (await reader.read()).value!.length
        // who does not read gets what the sockets' buffers hold
        await Bun.sleep(200)
        expect(made).toBeLessThan(pieces / 2)
        for (let next = await reader.read(); !next.done; next = await reader.read()) read += next.value.length
        expect(read).toBe(pieces * MEBIBYTE)
      })
    }).pipe(Effect.scoped)
  ))
