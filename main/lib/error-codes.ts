/** The closed set of error codes, each with what it means. Rooms add their rows here. */
export const errorCodes = {
  'model.config_missing': 'A model folder has no config.json.',
  'model.config_invalid': 'config.json does not describe a supported vision encoder.',
  'model.tensor_missing': 'A checkpoint lacks a tensor its architecture needs.',
  'model.shape_mismatch': 'A tensor has another shape than its architecture needs.',
  'merge.incompatible': 'A checkpoint is not a fine-tuned copy of the base model.',
  'engine.unknown': 'No engine has this name.',
  'engine.unavailable': 'An engine cannot run on this machine.',
} as const;

export type ErrorCode = keyof typeof errorCodes;
