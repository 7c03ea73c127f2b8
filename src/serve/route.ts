/** A route as a value: its method and path, who may call it, and its answer. */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { Bodies } from "./body.ts"
import type { Holdings } from "./clients.ts"
import type { Generating } from "./generating.ts"
import type { Metrics } from "./metrics.ts"
import type { Refusal } from "./refusal.ts"
import type { Served, ServedModels } from "./served.ts"

/** Response to a request. */
export type Reply =
  | { readonly json: unknown; readonly status?: number }
  | { readonly text: string; readonly type: string; readonly status?: number }
  /** server-sent events: the text after each "data: " */
  | { readonly events: Stream.Stream<string, Refusal> }

/** Server state that routes use. */
export interface Inside {
  readonly models: ServedModels
  readonly generating: Generating
  readonly metrics: Metrics
  readonly bodies: Bodies
  /** pixels of images in waiting requests */
  readonly pixels: Holdings
  readonly isDraining: () => boolean
  readonly metricsText: Effect.Effect<string>
}

/** A request as routes receive it. */
export interface Called {
  readonly request: Request
  /** identifies the client for fair scheduling; not a secret */
  readonly client: string
  /** the last path segment, if the route's path ends with "/*" */
  readonly rest: string
  /** Records which model answers, for the metrics. */
  readonly answeredBy: (served: Served) => void
}

/** A route of the API. */
export interface Route {
  readonly method: "GET" | "POST" | "DELETE"
  /** exact path, or one with one more segment if it ends with "/*" */
  readonly path: string
  /** who may call it: anyone; clients with the API key, if one is set; clients with the admin token */
  readonly who: "anyone" | "key" | "token"
  /** whether it answers while the server shuts down */
  readonly always?: boolean
  readonly answer: (inside: Inside, called: Called) => Effect.Effect<Reply, Refusal, Scope.Scope>
}

/** Returns the routes that a model answers. */
export const routesOf = ({ predict, embed, write, writing }: Served): ReadonlyArray<string> => [
  ...(predict === null ? [] : ["/predict"]),
  ...(embed === null ? [] : ["/embed", "/v1/embeddings"]),
  ...(writing === null ? [] : ["/v1/chat/completions"]),
  ...(writing === null && write === null ? [] : ["/v1/completions"])
]

/** Returns the problem of a request that a model does not support, with the routes that it answers. `not`: such as "cannot compute vectors". */
export const verbsOf = (served: Served, not: string): string =>
  `model: ${served.name} ${not}; it supports ${routesOf(served).join(", ")}`
