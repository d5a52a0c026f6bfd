/** The addresses that the application may open in a browser. A test holds that every method's paper is here. */

export const knownLinks: readonly string[] = [
  'https://arxiv.org/abs/2203.05482', // model soups
  'https://arxiv.org/abs/2212.04089', // task arithmetic
  'https://arxiv.org/abs/2306.01708', // TIES-Merging
  'https://arxiv.org/abs/2310.02575', // AdaMerging
  'https://arxiv.org/abs/2402.00433', // WEMoE
  'https://arxiv.org/abs/2111.09832', // Fisher merging
  'https://arxiv.org/abs/2212.09849', // RegMean
  'https://arxiv.org/abs/2312.06795', // Model Breadcrumbs
  'https://arxiv.org/abs/2405.07813', // Consensus and TALL masks
  'https://arxiv.org/abs/2311.03099', // DARE
  'https://arxiv.org/abs/2406.11617', // DELLA
  'https://arxiv.org/abs/2405.17461', // EMR-Merging
  'https://arxiv.org/abs/2502.04959', // Iso-C and Iso-CTS
  'https://doi.org/10.1002/cpa.3160300502', // Karcher mean
  'https://arxiv.org/abs/2410.19735', // KnOTS
  'https://arxiv.org/abs/2407.06322', // MagMax
  'https://arxiv.org/abs/2406.11385', // MetaGPT
  'https://arxiv.org/abs/2403.19522', // Model Stock
  'https://goddard.blog/posts/multislerp-wow-what-a-cool-idea', // multislerp
  'https://github.com/arcee-ai/mergekit/blob/main/docs/merge_methods.md', // NuSLERP
  'https://arxiv.org/abs/2403.13257', // passthrough
  'https://arxiv.org/abs/2410.02396', // PCB-Merging
  'https://arxiv.org/abs/2408.07990', // SCE
  'https://doi.org/10.1145/325165.325242', // slerp
  'https://arxiv.org/abs/2412.00081', // TSV-Merge
  'https://arxiv.org/abs/2503.08099', // WUDI-Merging
  'https://arxiv.org/abs/2106.09685', // LoRA
  'https://arxiv.org/abs/1506.02626', // magnitude pruning
  'https://arxiv.org/abs/2302.07027', // AdapterSoup
  'https://arxiv.org/abs/2410.21804', // E-WEMoE
  'https://github.com/EnnengYang/RankOne-MoE', // Rank-r WEMoE
  'https://arxiv.org/abs/2406.15479', // Twin-Merging
  'https://arxiv.org/abs/2408.10174', // SMILE
  'https://arxiv.org/abs/2402.02705', // Surgery
];
