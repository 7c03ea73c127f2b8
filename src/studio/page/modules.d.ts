/** What Vite makes of files that are no modules: styles go into files of their own, and a file's text into the bundle. */
declare module "*.css"
declare module "*?raw" {
  const text: string
  export default text
}
