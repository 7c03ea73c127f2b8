/** Means over seeds, and how far they can be trusted. */

export const mean = (numbers: ReadonlyArray<number>): number =>
  numbers.reduce((sum, number) => sum + number, 0) / numbers.length

// Student's t at 97.5 % for 1, 2, … degrees of freedom; beyond the table the normal's
const STUDENT = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262] as const

/** "mean ± half of the 95 % interval of the mean", one decimal. */
export const interval = (numbers: ReadonlyArray<number>): string => {
  const centre = mean(numbers)
  if (numbers.length < 2) return `${centre.toFixed(1)} (1 seed)`
  const variance = numbers.reduce((sum, number) => sum + (number - centre) ** 2, 0) / (numbers.length - 1)
  const half = (STUDENT[numbers.length - 2] ?? 1.96) * Math.sqrt(variance / numbers.length)
  return `${centre.toFixed(1)} ± ${half.toFixed(1)}`
}
