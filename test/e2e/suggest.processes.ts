/** `suggest` for rows of the other kinds: what it prints is validated and trained as it is. */
import { workspace } from "./fixtures.ts"
import { others, testSuggested, writeRowsOfEveryKind } from "./suggested-runs.ts"

const w = workspace()
writeRowsOfEveryKind(w)

testSuggested(w, others)
