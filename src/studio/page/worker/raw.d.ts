/** Files as text: Vite puts them into the bundle. */
declare module "*?raw" {
  const text: string
  export default text
}
