import type { ViewProps } from "../../view.ts"

export const Export = (_: ViewProps) => <p>…</p>
