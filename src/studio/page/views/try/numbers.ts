/** Numbers as the view shows them. */

/** "93.1 %"; of what is nearly nothing or nearly all, that it is not. */
export const percent = (share: number): string => {
  if (share > 0 && share < 0.0005) return "< 0.1 %"
  if (share < 1 && share > 0.9995) return "> 99.9 %"
  return `${(100 * share).toFixed(1)} %`
}
