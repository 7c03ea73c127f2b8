import type { ViewProps } from "../../view.ts"

export const NewRun = (_: ViewProps) => <p>…</p>
