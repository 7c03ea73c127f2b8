import type { ViewProps } from "../../view.ts"
import { OneStudy } from "./OneStudy.tsx"
import { Studies } from "./Studies.tsx"
import "./compare.css"

export const Compare = ({ place: [id] }: ViewProps) => (id === undefined ? <Studies /> : <OneStudy key={id} id={id} />)
