/** All routes. */
import { chatRoute } from "./chat-route.ts"
import { completionsRoute } from "./completions-route.ts"
import { embeddingsRoute } from "./embeddings-route.ts"
import { embedRoute, predictRoute } from "./predict-route.ts"
import type { Route } from "./route.ts"
import { dropRoute, healthRoute, loadRoute, metricsRoute, modelRoute, modelsRoute } from "./server-routes.ts"

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

/** The routes of a path, whatever their methods. */
export const routesAt = (pathname: string): ReadonlyArray<Route> => routes.filter((route) => isFor(route, pathname))

/** The segments after a route's path; undefined: they are not written as they should be. */
export const restOf = ({ path }: Route, pathname: string): string | undefined => {
  if (!path.endsWith("/*")) return ""
  try {
    return decodeURIComponent(pathname.slice(path.length - 1))
  } catch {
    return undefined
  }
}
