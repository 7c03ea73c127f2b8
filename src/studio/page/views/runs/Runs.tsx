import type { ViewProps } from "../../view.ts"
import { List } from "./List.tsx"
import { OneRun } from "./OneRun.tsx"
import "./runs.css"

export const Runs = ({ place: [id] }: ViewProps) => (id === undefined ? <List /> : <OneRun key={id} id={id} />)
