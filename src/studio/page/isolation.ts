/** Isolates the page where its server does not, so that it computes on several threads (`isolating-worker.ts`). */

/** Tells a tab that it has been tried there: whoever loads the page past its service worker stays where they are. */
const TRIED = "tfjs-lora-pro isolation"

/** Ends at once where there is nothing to be done, or nothing that helps; else the page is loaded again. */
export const isolate = async (): Promise<void> => {
  if (crossOriginIsolated || !isSecureContext || navigator.serviceWorker === undefined) return
  if (sessionStorage.getItem(TRIED) !== null) return
  sessionStorage.setItem(TRIED, "1")
  try {
    await navigator.serviceWorker.register(new URL("isolating-worker.js", document.baseURI))
    await navigator.serviceWorker.ready
  } catch {
    return // one thread, then
  }
  location.reload()
  await new Promise(() => {})
}
