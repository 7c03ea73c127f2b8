/** The studio: an app in the browser over the same folders and the same engine as the commands. docs/studio.md shows it. */
export { ComesWith } from "./engine/comes-with.ts"
export { engineProcess } from "./engine/process.ts"
export { builtPage } from "./server/built-page.ts"
export { openStudio, type Studio, type StudioOptions } from "./server/studio.ts"
