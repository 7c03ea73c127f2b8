/** Says on stdout how much of what it says on stderr has not been read yet: before it says it, after it, and once that has changed. */
import { writeSync } from "node:fs"
import { foreign } from "../../../src/ffi/index.ts"
import { openSystem } from "../../../src/ranks/mpi/system.ts"

const way = foreign()
if ("reason" in way) throw new Error(way.reason)
const { unread } = openSystem(way)
const before = unread(2)
writeSync(2, "hello")
console.log(`${before}, then ${unread(2)}`)
while (unread(2) === 5) await new Promise((resolve) => setTimeout(resolve, 5))
console.log(String(unread(2)))
