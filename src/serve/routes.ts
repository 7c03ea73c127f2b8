/** All routes. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { decodedBody } from "./body.ts"
import { chatRoute } from "./chat-route.ts"
import { completionsRoute } from "./completions-route.ts"
import { embeddingsRoute, embedRoute, predictRoute } from "./predict-route.ts"
import { wrongField } from "./refusal.ts"
import { type Route, routesOf } from "./route.ts"
import { isModelName, type Served } from "./served.ts"

const described = (served: Served) => ({
  id: served.name,
  object: "model",
  created: served.since,
  owned_by: "tfjs-lora-pro",
  routes: routesOf(served)
})

const modelsRoute: Route = {
  method: "GET",
  path: "/v1/models",
  who: "key",
  answer: ({ models }) => Effect.sync(() => ({ json: { object: "list", data: models.all().map(described) } }))
}

const modelRoute: Route = {
  method: "GET",
  path: "/v1/models/*",
  who: "key",
  answer: ({ models }, { rest }) =>
    Effect.map(
      models.use(rest, () => true),
      (served) => ({ json: described(served) })
    )
}

const AdapterBody = Schema.Struct({ name: Schema.String, run: Schema.NonEmptyString })

const loadRoute: Route = {
  method: "POST",
  path: "/adapters",
  who: "token",
  answer: ({ models, bodies }, called) =>
    Effect.gen(function* () {
      const { name, run } = yield* decodedBody(called, AdapterBody, bodies)
      if (!isModelName(name))
        return yield* wrongField(
          "name",
          "expected at most 100 letters, digits, and . _ - : @, a letter or a digit first"
        )
      const served = yield* models.loadInside({ name, run })
      called.answeredBy(served)
      return { json: described(served), status: 201 }
    })
}

const dropRoute: Route = {
  method: "DELETE",
  path: "/adapters/*",
  who: "token",
  answer: ({ models }, { rest }) => Effect.as(models.drop(rest), { json: { id: rest, object: "model", deleted: true } })
}

const healthRoute: Route = {
  method: "GET",
  path: "/health",
  who: "anyone",
  always: true,
  answer: ({ isDraining, models }) =>
    Effect.sync(() =>
      isDraining()
        ? { json: { status: "draining" }, status: 503 }
        : { json: { status: "ready", models: models.all().length } }
    )
}

const metricsRoute: Route = {
  method: "GET",
  path: "/metrics",
  who: "key",
  always: true,
  answer: ({ metricsText }) =>
    Effect.map(metricsText, (text) => ({ text, type: "text/plain; version=0.0.4; charset=utf-8" }))
}

/** All routes of the API. */
export const routes: ReadonlyArray<Route> = [
  predictRoute,
  embedRoute,
  chatRoute,
  completionsRoute,
  embeddingsRoute,
  modelsRoute,
  modelRoute,
  loadRoute,
  dropRoute,
  healthRoute,
  metricsRoute
]

const isFor = ({ path }: Route, pathname: string): boolean =>
  path.endsWith("/*") ? pathname.startsWith(path.slice(0, -1)) && pathname.length >= path.length : path === pathname

/** Returns the routes of a path, with all their methods. */
export const routesAt = (pathname: string): ReadonlyArray<Route> => routes.filter((route) => isFor(route, pathname))

/** Returns the segments after a route's path, or undefined if they are malformed. */
export const restOf = ({ path }: Route, pathname: string): string | undefined => {
  if (!path.endsWith("/*")) return ""
  try {
    return decodeURIComponent(pathname.slice(path.length - 1))
  } catch {
    return undefined
  }
}
