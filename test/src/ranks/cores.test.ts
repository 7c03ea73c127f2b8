/** Threads of a rank: those on one machine share its cores, unless their launcher has divided them. */
import { expect, test } from "bun:test"
import { sharedCores } from "../../../src/bin/ranks.ts"

test("ranks on a machine share its cores", () => {
  expect(sharedCores(4, 16, 16)).toBe(4)
  expect(sharedCores(3, 16, 16)).toBe(5)
  expect(sharedCores(4, 2, 2)).toBe(1)
})

test("a process that is bound to some cores has those, and no more than its share", () => {
  expect(sharedCores(2, 1, 16)).toBe(1) // Open MPI binds each of two to a core
  expect(sharedCores(4, 8, 16)).toBe(4) // and each of more to a socket, which two share here
})
