/** Shown where there is nothing yet: why, and the way to a first run. */
import type { ComponentChildren } from "preact"
import { addressOf } from "../place.ts"

export const StartRun = ({ children }: { readonly children: ComponentChildren }) => (
  <div class="empty card">
    <p>{children}</p>
    <a class="button primary" href={addressOf("new")}>
      Start a run
    </a>
  </div>
)
