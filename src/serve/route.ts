/** What a route is: a value that says how it is reached, who may, and what it answers. */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { Bodies } from "./body.ts"
import type { Holdings } from "./clients.ts"
import type { Generating } from "./generating.ts"
import type { Metrics } from "./metrics.ts"
import type { Refusal } from "./refusal.ts"
import type { Served, ServedModels } from "./served.ts"

export type Reply =
  | { readonly json: unknown; readonly status?: number }
  | { readonly text: string; readonly type: string; readonly status?: number }
  /** server-sent events: what is after each "data: " */
  | { readonly events: Stream.Stream<string, Refusal> }

/** What routes are answered with. */
export interface Inside {
  readonly models: ServedModels
  readonly generating: Generating
  readonly metrics: Metrics
  readonly bodies: Bodies
  /** pixels of images in requests that wait */
  readonly pixels: Holdings
  readonly isDraining: () => boolean
  readonly metricsText: Effect.Effect<string>
}

/** A request as routes see it. */
export interface Called {
  readonly request: Request
  /** who asks, for its part of the device: no secret */
  readonly client: string
  /** what is after the route's path, where it ends with "/*" */
  readonly rest: string
  /** Says which model answers, for what is counted. */
  readonly answeredBy: (served: Served) => void
}

export interface Route {
  readonly method: "GET" | "POST" | "DELETE"
  /** exact, or with one more segment where it ends with "/*" */
  readonly path: string
  /** who may ask: anyone; clients with the key, where there is one; clients with the token */
  readonly who: "anyone" | "key" | "token"
  /** answered also while the server ends */
  readonly always?: boolean
  readonly answer: (inside: Inside, called: Called) => Effect.Effect<Reply, Refusal, Scope.Scope>
}

/** Which routes a model answers. */
export const routesOf = ({ predict, embed, write, writing }: Served): ReadonlyArray<string> => [
  ...(predict === null ? [] : ["/predict"]),
  ...(embed === null ? [] : ["/embed", "/v1/embeddings"]),
  ...(writing === null ? [] : ["/v1/chat/completions"]),
  ...(writing === null && write === null ? [] : ["/v1/completions"])
]

/** What a model does in the place of what it was asked for; `not`: "makes no vectors". */
export const verbsOf = (served: Served, not: string): string =>
  `model: ${served.name} ${not}; it answers ${routesOf(served).join(", ")}`
