/** The studio: an app in the browser over the same folders and the same engine as the commands. docs/studio.md shows it. */
export { ComesWith } from "./engine/handlers.ts"
export { builtPage } from "./server/built-page.ts"
export { engineProcess } from "./server/engine-client.ts"
export { openStudio, type Studio, type StudioOptions } from "./server/studio.ts"
