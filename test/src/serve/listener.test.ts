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
