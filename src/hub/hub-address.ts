/** How plans write that a model, or a data set, is on the Hub. */
export const PREFIX = "hf:"

export const isHubSource = (source: string): boolean => source.startsWith(PREFIX)

/** How they write that it is a data set. */
export const DATASETS = `${PREFIX}datasets/`

export const isHubDataset = (place: string): boolean => place.startsWith(DATASETS)
