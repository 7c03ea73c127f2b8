/** What the studio reads beside runs: its records, and locks of run folders, sound or nearly so. None of them names a place outside. */
import { mkdirSync, writeFileSync } from "node:fs"
import { hostname } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { lockedBy } from "../../../src/studio/server/processes.ts"
import { openRunRecords, openStudyRecords } from "../../../src/studio/server/records.ts"
import { among, type Made, object, one, optional, seldom, size, sound, text } from "../grammar.ts"
import { jsonText } from "../mutate.ts"
import type { Target } from "../target.ts"

const owner = sound(
  object({
    pid: one<unknown>(size, among(process.pid, 1, 2 ** 22)),
    host: one(text, among(hostname())),
    started: optional(one<unknown>(text, size)),
    boot: optional(text)
  })
)
/** Its file's name says the same, else it is not believed. */
const ids = among(
  "runs/a-1",
  "../escaped",
  "/etc/a",
  "runs/../../x",
  "runs/a/../b",
  "a\\b",
  "runs//a",
  "",
  "compare/s-1",
  "é/电影"
)
const record = (id: unknown): Made<unknown> =>
  sound(
    object({
      id: seldom(10, text, () => id),
      plan: sound(text),
      startedAt: sound(size),
      waits: sound(among(true, false)),
      resumes: sound(among(true, false)),
      stopping: sound(among(true, false)),
      words: sound(among([], ["a"])),
      workers: sound(size),
      owner: optional(owner),
      exit: optional(sound(object({ code: one<unknown>(size, among(null)), signal: one<unknown>(text, among(null)) })))
    })
  )

const isBelow = ({ id }: { readonly id: string }) => !/^$|^\/|\\|(^|\/)(\.{0,2})(\/|$)/.test(id)

export const studioRecords: Target = (folder) => {
  for (const name of ["runs", "studies", "run"]) mkdirSync(join(folder, name), { recursive: true })
  return (random) => {
    const id = ids(random)
    const file = `${encodeURIComponent(id)}.json`
    for (const kind of ["runs", "studies"])
      writeFileSync(join(folder, kind, file), jsonText(record(id)(random), random))
    writeFileSync(join(folder, "run", "lock"), jsonText(owner(random), random))
    return Effect.gen(function* () {
      const records = [...(yield* openRunRecords(folder)).all(), ...(yield* openStudyRecords(folder)).all()]
      if (!records.every(isBelow)) return yield* Effect.die(`a place outside: ${JSON.stringify(records)}`)
      // this process has no such lock
      if ((yield* lockedBy(join(folder, "run"))) !== undefined) return yield* Effect.die("a lock is believed")
      return records
    })
  }
}
