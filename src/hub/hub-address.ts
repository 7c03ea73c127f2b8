/** How plans write that a model is on the Hub. */
export const PREFIX = "hf:"

export const isHubSource = (source: string): boolean => source.startsWith(PREFIX)
