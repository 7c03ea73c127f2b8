import type { ViewProps } from "../../view.ts"

export const Try = (_: ViewProps) => <p>…</p>
