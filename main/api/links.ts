/** The addresses that the application may open in a browser. A test holds that every method's paper is here. */

export const knownLinks: readonly string[] = [
  'https://arxiv.org/abs/2203.05482', // model soups
  'https://arxiv.org/abs/2212.04089', // task arithmetic
  'https://arxiv.org/abs/2306.01708', // TIES-Merging
  'https://arxiv.org/abs/2310.02575', // AdaMerging
  'https://arxiv.org/abs/2402.00433', // WEMoE
];
