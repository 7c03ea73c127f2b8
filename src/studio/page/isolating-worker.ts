/**
 * A service worker that gives the page's own files the two headers by which a browser isolates it, for servers that can set none: an isolated
 * page shares memory among workers, and computes on several threads. It keeps nothing and asks for nothing else.
 *
 * @see https://developer.mozilla.org/docs/Web/API/Window/crossOriginIsolated
 */

/** What is used of a service worker's scope, whose types are not among a page's. */
interface FetchAsked extends Event {
  readonly request: Request
  readonly respondWith: (response: Promise<Response>) => void
}
interface Scope {
  readonly skipWaiting: () => Promise<void>
  readonly clients: { readonly claim: () => Promise<void> }
}
const scope = globalThis as unknown as Scope

const headers = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Resource-Policy": "same-origin"
}

const isolated = (response: Response): Response => {
  // an error, or a redirect that the browser follows by itself
  if (response.status === 0) return response
  const all = new Headers(response.headers)
  for (const [name, value] of Object.entries(headers)) all.set(name, value)
  return new Response(response.body, { status: response.status, statusText: response.statusText, headers: all })
}

addEventListener("install", () => void scope.skipWaiting())
addEventListener("activate", () => void scope.clients.claim())
addEventListener("fetch", (event) => {
  const { request, respondWith } = event as FetchAsked
  if (new URL(request.url).origin === location.origin) respondWith.call(event, fetch(request).then(isolated))
})
