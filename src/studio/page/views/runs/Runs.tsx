import type { ViewProps } from "../../view.ts"

export const Runs = (_: ViewProps) => <p>…</p>
