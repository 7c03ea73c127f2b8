/** Opens the page: finds its host, asks what it is, and shows the views. */
import { render } from "preact"
import type { About } from "../protocol/index.ts"
import type { Host } from "./host.ts"
import { Trouble } from "./parts/loading.tsx"
import { openServerHost } from "./server-host.ts"
import { Shell } from "./shell.tsx"
import { StudioContext } from "./use.ts"

const root = document.getElementById("studio")!

const open = async (opening: () => Promise<Host>): Promise<void> => {
  try {
    const host = await opening()
    const about: About = await host.call("about", {})
    root.textContent = ""
    render(
      <StudioContext.Provider value={{ host, about }}>
        <Shell />
      </StudioContext.Provider>,
      root
    )
  } catch (problem) {
    root.textContent = ""
    render(<Trouble problem={problem as Error} again={() => open(opening)} />, root)
  }
}

/** As static files the page is its own host; the build says which it is. */
const hostOfBuild = async (): Promise<Host> => {
  if (import.meta.env.MODE !== "page") return openServerHost()
  const { openPageHost, isolate } = await import("./page-host.ts")
  await isolate()
  return openPageHost()
}

await open(hostOfBuild)
