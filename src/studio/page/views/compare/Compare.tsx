import type { ViewProps } from "../../view.ts"

export const Compare = (_: ViewProps) => <p>…</p>
