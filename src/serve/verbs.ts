/** Which routes a model answers. */
import type { Served } from "./served.ts"

export const routesOf = ({ predict, embed, write, writing }: Served): ReadonlyArray<string> => [
  ...(predict === null ? [] : ["/predict"]),
  ...(embed === null ? [] : ["/embed", "/v1/embeddings"]),
  ...(writing === null ? [] : ["/v1/chat/completions"]),
  ...(writing === null && write === null ? [] : ["/v1/completions"])
]

/** What a model does in the place of what it was asked for; `not`: "makes no vectors". */
export const verbsOf = (served: Served, not: string): string =>
  `model: ${served.name} ${not}; it answers ${routesOf(served).join(", ")}`
